//! Which side of a protocol speaks first, and the smallest thing that a client can say: pure.

use std::net::IpAddr;

use crate::probe::greeting::FirstSpeaker;

/// A protocol as far as its first word goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protocol {
    /// Its name.
    pub(super) name: &'static str,
    /// The URL schemes that name it.
    schemes: &'static [&'static str],
    /// The ports on which it is usual.
    ports: &'static [u16],
    opening: Opening,
}

/// How a connection opens.
#[derive(Debug, Clone, Copy)]
enum Opening {
    /// The server greets.
    Server,
    /// The client asks, with these bytes.
    Bytes(&'static [u8]),
    /// The client asks with an HTTP request.
    Http,
    /// The client asks with a TLS ClientHello.
    Tls,
    /// The client asks, and we do not know a harmless question.
    Client,
}

const fn server(
    name: &'static str,
    schemes: &'static [&'static str],
    ports: &'static [u16],
) -> Protocol {
    Protocol { name, schemes, ports, opening: Opening::Server }
}

const fn client(
    name: &'static str,
    schemes: &'static [&'static str],
    ports: &'static [u16],
    opening: Opening,
) -> Protocol {
    Protocol { name, schemes, ports, opening }
}

/// Ports from the IANA registry, or the default of the usual server.
const PROTOCOLS: &[Protocol] = &[
    server("ssh", &["ssh", "sftp"], &[22]),
    server("ftp", &["ftp"], &[21]),
    server("smtp", &["smtp"], &[25, 587]),
    server("pop3", &["pop3"], &[110]),
    server("imap", &["imap"], &[143]),
    server("mysql", &["mysql", "mariadb"], &[3306]),
    server("nats", &["nats"], &[4222]),
    server("vnc", &["vnc"], &[5900]),
    // Telnet may negotiate at once or wait; most servers speak first.
    server("telnet", &["telnet"], &[23]),
    client("http", &["http", "ws"], &[80, 8000, 8080, 9090, 9200], Opening::Http),
    client(
        "tls",
        &["https", "wss", "amqps", "ftps", "imaps", "ldaps", "mqtts", "pop3s", "rediss", "smtps"],
        &[443, 465, 636, 990, 993, 995, 5671, 6443, 8443, 8883],
        Opening::Tls,
    ),
    // SSLRequest, answered by one byte (PostgreSQL manual, message formats).
    client(
        "postgresql",
        &["postgres", "postgresql"],
        &[5432],
        Opening::Bytes(&[0, 0, 0, 8, 4, 210, 22, 47]),
    ),
    client("redis", &["redis"], &[6379], Opening::Bytes(b"PING\r\n")),
    // Protocol header (AMQP 0-9-1, 4.2.2).
    client("amqp", &["amqp"], &[5672], Opening::Bytes(b"AMQP\x00\x00\x09\x01")),
    // CONNECT with a clean session and an empty client id (MQTT 3.1.1, 3.1).
    client(
        "mqtt",
        &["mqtt"],
        &[1883],
        Opening::Bytes(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"),
    ),
    // Anonymous simple bind (RFC 4511, 4.2).
    client(
        "ldap",
        &["ldap"],
        &[389],
        Opening::Bytes(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"),
    ),
    // ApiVersions, version 0 (Kafka protocol guide).
    client(
        "kafka",
        &["kafka"],
        &[9092],
        Opening::Bytes(b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"),
    ),
    // OP_MSG {hello: 1, $db: "admin"} (MongoDB wire protocol).
    client(
        "mongodb",
        &["mongodb"],
        &[27017],
        Opening::Bytes(
            b"\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\
              \x1f\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00",
        ),
    ),
    // A query for the root's NS records (RFC 1035, 4.2.2).
    client(
        "dns",
        &["dns"],
        &[53],
        Opening::Bytes(b"\x00\x11td\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"),
    ),
    client(
        "rtsp",
        &["rtsp"],
        &[554],
        Opening::Bytes(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    ),
    // X.224 connection request with an RDP negotiation request (MS-RDPBCGR 2.2.1.1).
    client(
        "rdp",
        &["rdp"],
        &[3389],
        Opening::Bytes(&[3, 0, 0, 19, 14, 224, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0]),
    ),
    client("smb", &[], &[445], Opening::Client),
    client("mssql", &[], &[1433], Opening::Client),
    client("memcached", &[], &[11211], Opening::Client),
];

/// Finds the protocol that a URL scheme names.
pub(super) fn by_scheme(scheme: &str) -> Option<&'static Protocol> {
    PROTOCOLS
        .iter()
        .find(|protocol| protocol.schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)))
}

/// Finds the protocol that is usual on a port.
pub(super) fn by_port(port: u16) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|protocol| protocol.ports.contains(&port))
}

impl Protocol {
    /// Which side speaks first.
    pub(super) fn first_speaker(&self) -> FirstSpeaker {
        match self.opening {
            Opening::Server => FirstSpeaker::Server,
            _ => FirstSpeaker::Client,
        }
    }

    /// What a client says first; `None` where the server greets or we know no harmless question.
    ///
    /// `host` is the name or address that the user gave; it is used only where it is one.
    pub(super) fn hello(&self, host: &str) -> Option<Vec<u8>> {
        match self.opening {
            Opening::Server | Opening::Client => None,
            Opening::Bytes(bytes) => Some(bytes.to_vec()),
            Opening::Http => Some(http_request(host)),
            Opening::Tls => Some(client_hello(host)),
        }
    }
}

fn http_request(host: &str) -> Vec<u8> {
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) if is_name(host) => host.to_owned(),
        Err(_) => "localhost".to_owned(),
    };
    format!(
        "HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tcpdoctor/{}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes()
}

/// Whether this can stand in a request: letters, digits, dots, hyphens and underscores only.
fn is_name(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// A ClientHello that any server answers, with a ServerHello or an alert (RFC 8446, 4.1.2).
///
/// Nothing is ever encrypted with it, so its random and key share are fixed. It fits into one
/// segment.
fn client_hello(host: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, body: Vec<u8>| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(with_length(&body));
    };
    if is_name(host) && host.parse::<IpAddr>().is_err() {
        // server_name: a list with one host_name (RFC 6066, 3).
        let entry = [vec![0], with_length(host.as_bytes())].concat();
        extension(0, with_length(&entry));
    }
    // supported_groups: x25519, secp256r1, secp384r1.
    extension(10, with_length(&[0, 29, 0, 23, 0, 24]));
    // ec_point_formats: uncompressed.
    extension(11, vec![1, 0]);
    // signature_algorithms: ECDSA, RSA-PSS and RSA-PKCS1 with SHA-256/384/512, Ed25519.
    extension(13, with_length(&[4, 3, 5, 3, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 8, 7]));
    // supported_versions: TLS 1.3, TLS 1.2.
    extension(43, vec![4, 3, 4, 3, 3]);
    // key_share: x25519; any 32 bytes are a valid point (RFC 7748, 6.1).
    let share = [vec![0, 29], with_length(&[9; 32])].concat();
    extension(51, with_length(&share));

    // TLS 1.3's suites, then ECDHE and RSA ones of TLS 1.2.
    let suites: [u16; 13] = [
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x009c, 0x009d,
        0x002f, 0x0035,
    ];
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut body = vec![3, 3];
    body.extend(*b"tcpdoctor asks, nothing follows.");
    body.push(0); // no session
    body.extend(with_length(&suites));
    body.extend([1, 0]); // no compression
    body.extend(with_length(&extensions));
    let mut handshake = vec![1, 0];
    handshake.extend(with_length(&body));
    let mut record = vec![22, 3, 1];
    record.extend(with_length(&handshake));
    record
}

/// The bytes after their number as 16 bits.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

/// The most characters of a banner that are shown.
const BANNER: usize = 120;

/// Makes the first line that a server sends printable: anything but printable ASCII becomes a dot.
pub(super) fn banner(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    // Where it begins with an end of line, all of it is worth a look.
    let line = bytes.get(..end.filter(|end| *end > 0).unwrap_or(bytes.len())).unwrap_or(bytes);
    line.trim_ascii_end()
        .iter()
        .take(BANNER)
        .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_scheme_with_a_known_port_has_a_protocol() {
        for (scheme, port) in crate::model::target::SCHEMES {
            let protocol = by_scheme(scheme).unwrap_or_else(|| panic!("{scheme}"));
            let server = protocol.first_speaker() == FirstSpeaker::Server;
            assert_eq!(protocol.hello("example.test").is_none(), server, "{scheme}");
            assert!(by_port(*port).is_some(), "{port}");
        }
    }

    #[test]
    fn no_port_and_no_scheme_stands_twice() {
        let mut ports: Vec<u16> = PROTOCOLS.iter().flat_map(|p| p.ports).copied().collect();
        let mut schemes: Vec<&str> = PROTOCOLS.iter().flat_map(|p| p.schemes).copied().collect();
        let counts = (ports.len(), schemes.len());
        ports.sort_unstable();
        ports.dedup();
        schemes.sort_unstable();
        schemes.dedup();
        assert_eq!((ports.len(), schemes.len()), counts);
    }

    #[test]
    fn a_length_prefixed_hello_has_the_length_that_it_says() {
        let hello = |scheme: &str| {
            by_scheme(scheme).and_then(|p| p.hello("example.test")).expect("a hello")
        };
        let be16 = |b: &[u8]| usize::from(u16::from_be_bytes([b[0], b[1]]));
        assert_eq!(hello("dns").len(), be16(&hello("dns")) + 2);
        assert_eq!(hello("kafka").len(), be16(&hello("kafka")[2..]) + 4);
        assert_eq!(hello("postgres").len(), 8);
        assert_eq!(hello("rdp").len(), be16(&hello("rdp")[2..]));
        assert_eq!(hello("mqtt").len(), usize::from(hello("mqtt")[1]) + 2);
        assert_eq!(hello("ldap").len(), usize::from(hello("ldap")[1]) + 2);
        let mongo = hello("mongodb");
        assert_eq!(mongo.len(), usize::from(mongo[0]));
        assert_eq!(mongo.len() - 21, usize::from(mongo[21]));
        let tls = hello("https");
        assert_eq!(tls.len(), be16(&tls[3..]) + 5);
        assert_eq!(tls.len(), be16(&tls[7..]) + 9);
        assert!(tls.windows(12).any(|w| w == b"example.test"));
    }

    #[test]
    fn a_host_that_is_no_name_never_reaches_a_request() {
        let http = by_scheme("http").expect("http");
        let request = http.hello("a\r\nX: y").expect("a request");
        assert!(String::from_utf8_lossy(&request).contains("Host: localhost\r\n"));
        let request = http.hello("fd00::1").expect("a request");
        assert!(String::from_utf8_lossy(&request).contains("Host: [fd00::1]\r\n"));
        let tls = by_scheme("https").expect("https").hello("192.0.2.1").expect("a hello");
        assert!(!tls.windows(9).any(|w| w == b"192.0.2.1"));
    }

    #[test]
    fn a_banner_keeps_only_what_a_terminal_may_see() {
        assert_eq!(banner(b"SSH-2.0-x\r\n"), "SSH-2.0-x");
        assert_eq!(banner(b"HTTP/1.1 200 OK\r\nServer: x\r\n"), "HTTP/1.1 200 OK");
        assert_eq!(banner(b"\r\nlogin:"), "..login:");
        assert_eq!(banner(b"\x1b[31mred\x07\xff"), ".[31mred..");
        assert_eq!(banner(&[b'a'; 300]).len(), 120);
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_printable_banner(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = banner(&bytes);
            prop_assert!(text.len() <= BANNER);
            prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)));
        }
    }
}
