//! How this machine resolves names: `/etc/resolv.conf`, `/etc/nsswitch.conf`, `/etc/hosts`.
//!
//! Read as glibc reads them (resolv.conf(5), nsswitch.conf(5), hosts(5)): a line that it would skip
//! is skipped, not reported.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use nix::errno::Errno;

/// The most servers that glibc asks (`MAXNS`); those after them are never used.
const MOST_SERVERS: usize = 3;
/// glibc caps `ndots` here (`RES_MAXNDOTS`).
const MOST_NDOTS: u32 = 15;
/// The most search domains that are tried here; glibc itself has had no limit since 2.26.
const MOST_SEARCH: usize = 16;
/// The most bytes that are read of one file; block lists make hosts files large.
const MOST_BYTES: u64 = 64 << 20;
/// The most addresses that the hosts file may give for one name.
const MOST_ADDRESSES: usize = 64;

/// One configured server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// The address as the file has it, with the zone of a link-local one.
    pub text: String,
    /// Where to send to, port 53.
    pub to: SocketAddr,
}

/// What resolv.conf says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// The servers, in order, at most three (`MAXNS`).
    pub servers: Vec<NameServer>,
    /// The search domains, in order.
    pub search: Vec<String>,
    /// From how many dots on a name is tried as it is first.
    pub ndots: u32,
    /// Whether only TCP is to be used (`options use-vc`).
    pub tcp_only: bool,
    /// Why the file could not be read, for example `/etc/resolv.conf: EACCES`.
    pub problem: Option<String>,
}

/// One service of the `hosts` line of nsswitch.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name: `files`, `dns`, `mdns4_minimal`, `resolve`, …
    pub name: String,
    /// The action in brackets behind it, for example `NOTFOUND=return`.
    pub action: Option<String>,
}

/// Reads resolv.conf; without a server line the list is empty (glibc then asks 127.0.0.1).
pub fn resolv_conf() -> ResolvConf {
    const PATH: &str = "/etc/resolv.conf";
    let (text, problem) = match read(PATH) {
        Ok(text) => (text, None),
        Err(error) => (String::new(), Some(format!("{PATH}: {}", errno_name(&error)))),
    };
    let host = read("/proc/sys/kernel/hostname").unwrap_or_default();
    let domain = host.trim().split_once('.').map(|(_, domain)| domain);
    let mut conf = parse_resolv_conf(&text, domain, scope_of);
    if let Ok(options) = std::env::var("RES_OPTIONS") {
        apply_options(&mut conf, &options);
    }
    if let Ok(domains) = std::env::var("LOCALDOMAIN") {
        conf.search = search_list(&domains);
    }
    conf.problem = problem;
    conf
}

/// The address that glibc asks when no server is configured.
pub fn default_server() -> NameServer {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    NameServer { text: address.to_string(), to: SocketAddr::new(address, 53) }
}

/// Reads the services that answer for host names, in order; glibc's default when there is no line.
pub fn host_services() -> Vec<Service> {
    let text = read("/etc/nsswitch.conf").unwrap_or_default();
    parse_nsswitch(&text)
}

/// Returns the addresses that the hosts file has for a name, in the file's order.
pub fn hosts_addresses(name: &str) -> Vec<String> {
    let Ok(file) = File::open("/etc/hosts") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut reader = BufReader::new(file.take(MOST_BYTES));
    let mut line = Vec::new();
    while found.len() < MOST_ADDRESSES {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if let Some(address) = hosts_line(&line, name)
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// Returns the address of a line of the hosts file when it names the name, letter case aside.
fn hosts_line(line: &[u8], name: &str) -> Option<String> {
    let line = line.split(|byte| *byte == b'#').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let address = words.next()?;
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    words.find(|word| word.eq_ignore_ascii_case(name))?;
    let address = std::str::from_utf8(address).ok()?;
    let (bare, zone) = split_zone(address);
    let bare: IpAddr = bare.parse().ok()?;
    Some(match zone {
        Some(zone) => format!("{bare}%{zone}"),
        None => bare.to_string(),
    })
}

/// Reads a resolv.conf. `domain` is the domain part of the host name, the search list of last
/// resort; `scope` maps a zone to its interface number.
pub fn parse_resolv_conf(
    text: &str,
    domain: Option<&str>,
    scope: impl Fn(&str) -> u32,
) -> ResolvConf {
    let mut conf = ResolvConf {
        servers: Vec::new(),
        search: domain.map(search_list).unwrap_or_default(),
        ndots: 1,
        tcp_only: false,
        problem: None,
    };
    for line in text.lines() {
        // A keyword counts only at the start of its line.
        let Some((keyword, rest)) = line.split_once([' ', '\t']) else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        match keyword {
            "nameserver" if conf.servers.len() < MOST_SERVERS => {
                conf.servers.extend(words.next().and_then(|word| name_server(word, &scope)));
            }
            // The last of `domain` and `search` wins.
            "domain" => conf.search = words.next().map(search_list).unwrap_or_default(),
            "search" => conf.search = search_list(rest),
            "options" => apply_options(&mut conf, rest),
            _ => {}
        }
    }
    conf
}

fn name_server(word: &str, scope: impl Fn(&str) -> u32) -> Option<NameServer> {
    let (bare, zone) = split_zone(word);
    let address: IpAddr = bare.parse().ok()?;
    let to = match (address, zone) {
        (IpAddr::V6(address), Some(zone)) => {
            SocketAddr::V6(SocketAddrV6::new(address, 53, 0, scope(zone)))
        }
        (address, _) => SocketAddr::new(address, 53),
    };
    let text = match zone {
        Some(zone) => format!("{address}%{}", zone.escape_default()),
        None => address.to_string(),
    };
    Some(NameServer { text, to })
}

fn search_list(text: &str) -> Vec<String> {
    let words = text.split_ascii_whitespace().take(MOST_SEARCH);
    words.map(str::to_owned).collect()
}

fn apply_options(conf: &mut ResolvConf, text: &str) {
    for word in text.split_ascii_whitespace() {
        match word.split_once(':') {
            Some(("ndots", number)) => {
                conf.ndots = number.parse().unwrap_or(0).min(MOST_NDOTS);
            }
            None if word == "use-vc" => conf.tcp_only = true,
            _ => {}
        }
    }
}

/// Reads the `hosts` line of an nsswitch.conf.
pub fn parse_nsswitch(text: &str) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    let line = text.lines().find_map(|line| {
        let line = line.split('#').next()?.trim_start();
        line.strip_prefix("hosts")?.trim_start().strip_prefix(':')
    });
    // glibc's own default since 2.34 (before: dns files).
    let mut rest = line.unwrap_or("files dns").trim();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (action, after) = inner.split_once(']').unwrap_or((inner, ""));
            if let Some(service) = services.last_mut() {
                service.action = Some(action.trim().to_owned());
            }
            rest = after.trim_start();
        } else {
            let end = rest.find(|c: char| c == '[' || c.is_whitespace()).unwrap_or(rest.len());
            services.push(Service { name: rest[..end].to_owned(), action: None });
            rest = rest[end..].trim_start();
        }
    }
    services
}

/// Splits `fe80::1%eth0` into the address and the zone.
pub fn split_zone(text: &str) -> (&str, Option<&str>) {
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => (address, Some(zone)),
        Some((address, _)) => (address, None),
        None => (text, None),
    }
}

/// Returns the number of the interface that a zone names; 0 when there is none.
pub fn scope_of(zone: &str) -> u32 {
    zone.parse().or_else(|_| nix::net::if_::if_nametoindex(zone)).unwrap_or(0)
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn errno_name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => format!("{:?}", Errno::from_raw(code)),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conf(text: &str) -> ResolvConf {
        parse_resolv_conf(text, Some("lan.test"), |zone| zone.len() as u32)
    }

    fn texts(conf: &ResolvConf) -> Vec<&str> {
        conf.servers.iter().map(|server| server.text.as_str()).collect()
    }

    #[test]
    fn servers_of_both_families_and_zones_are_read_and_bad_lines_skipped() {
        let conf = conf(
            "# comment\n; another\nnameserver 192.0.2.53\n nameserver 192.0.2.1\nnameserver\n\
             nameserver fe80::1%eth0 trailing\nnameserver nonsense\nnameserver\t2001:db8::1\n\
             nameserver 192.0.2.99\noptions bogus edns0\n",
        );
        assert_eq!(texts(&conf), ["192.0.2.53", "fe80::1%eth0", "2001:db8::1"]);
        let SocketAddr::V6(to) = conf.servers[1].to else { panic!("not IPv6") };
        assert_eq!((to.scope_id(), to.port()), (4, 53));
    }

    #[test]
    fn the_last_of_domain_and_search_wins() {
        assert_eq!(conf("").search, ["lan.test"]);
        assert_eq!(conf("domain a.test\nsearch b.test c.test\n").search, ["b.test", "c.test"]);
        assert_eq!(conf("search b.test c.test\ndomain a.test\n").search, ["a.test"]);
    }

    #[test]
    fn options_are_read_and_capped() {
        assert_eq!(conf("").ndots, 1);
        let conf = conf("options rotate ndots:99 use-vc\n");
        assert_eq!((conf.ndots, conf.tcp_only), (15, true));
    }

    #[test]
    fn services_keep_their_order_and_actions() {
        let name_and_action = |text| -> Vec<(String, Option<String>)> {
            let services = parse_nsswitch(text).into_iter();
            services.map(|service| (service.name, service.action)).collect()
        };
        let plain = |name: &str| (name.to_owned(), None);
        assert_eq!(name_and_action(""), [plain("files"), plain("dns")]);
        assert_eq!(
            name_and_action(
                "passwd: files\n  hosts :files mdns4_minimal [NOTFOUND=return] dns # x\n"
            ),
            [
                plain("files"),
                ("mdns4_minimal".to_owned(), Some("NOTFOUND=return".to_owned())),
                plain("dns"),
            ]
        );
        assert_eq!(name_and_action("hosts:\n"), []);
        assert_eq!(
            name_and_action("hosts: resolve[!UNAVAIL=return]dns"),
            [("resolve".to_owned(), Some("!UNAVAIL=return".to_owned())), plain("dns")]
        );
    }

    #[test]
    fn a_hosts_line_matches_the_name_and_its_aliases_letter_case_aside() {
        let line = b"192.0.2.7\tdb.test DB # old.test\n";
        for name in ["db.test", "Db", "db.test."] {
            assert_eq!(hosts_line(line, name).as_deref(), Some("192.0.2.7"), "{name}");
        }
        for name in ["old.test", "192.0.2.7", "b.test"] {
            assert_eq!(hosts_line(line, name), None, "{name}");
        }
        assert_eq!(hosts_line(b"not-an-address db.test", "db.test"), None);
        assert_eq!(hosts_line(b"\xff\xfe db.test", "db.test"), None);
        assert_eq!(hosts_line(b"fe80::1%eth0 db.test", "db.test").as_deref(), Some("fe80::1%eth0"));
    }

    proptest! {
        #[test]
        fn no_file_makes_the_readers_panic(text in "(nameserver |search |options ndots:|hosts: |\\[|\\]|\\PC|\n){0,40}") {
            let _ = (conf(&text), parse_nsswitch(&text), hosts_line(text.as_bytes(), "a"));
        }
    }
}
