//! DNS messages: a question to bytes, and bytes to the part of an answer that matters here.
//!
//! `hickory-proto` reads and writes the messages; nothing of it leaves this file. Whatever a name
//! from the network contains, it leaves this file as printable ASCII.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

/// The UDP payload in bytes that we offer to receive (DNS flag day 2020: no fragments).
const PAYLOAD: u16 = 1232;
/// The most addresses that are read from one answer.
const MOST_ADDRESSES: usize = 64;
/// The longest CNAME chain that is followed; resolvers stop at 8 to 16 themselves.
const LONGEST_CHAIN: usize = 16;
/// The longest text of an extended error that is kept, in characters.
const LONGEST_TEXT: usize = 200;
/// Length of the fixed header (RFC 1035 4.1.1).
const HEADER: usize = 12;

/// Which record type is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// A name that can be asked for: absolute, printable ASCII (IDNA where needed), without the final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireName(Name);

impl WireName {
    /// Reads a name; a non-ASCII one is converted by IDNA. `None` when DNS cannot carry it
    /// (RFC 1035 2.3.4: labels of 1 to 63 bytes, 255 in all).
    pub fn new(text: &str) -> Option<WireName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return None;
        }
        let mut name = if text.is_ascii() {
            // Not `from_ascii`: it reads backslashes as escapes and refuses some bytes that DNS allows.
            if text.split('.').any(str::is_empty) {
                return None;
            }
            Name::from_labels(text.split('.').map(str::as_bytes)).ok()?
        } else {
            Name::from_utf8(text).ok()?
        };
        name.set_fqdn(true);
        Some(WireName(name))
    }

    /// Returns the name as text without the final dot; unprintable bytes are escaped.
    pub fn text(&self) -> String {
        text_of(&self.0)
    }
}

/// A question, ready to be sent.
#[derive(Debug, Clone)]
pub struct Question {
    /// The message with EDNS.
    pub bytes: Vec<u8>,
    /// The same message without EDNS, for servers and filters that cannot stand it.
    pub plain: Vec<u8>,
    name: Name,
    kind: Kind,
}

/// Builds a recursive question. `None` when it cannot be encoded.
pub fn question(name: &WireName, kind: Kind, id: u16) -> Option<Question> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.0.clone(), record_type(kind)));
    let plain = message.to_vec().ok()?;
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.set_edns(edns);
    Some(Question { bytes: message.to_vec().ok()?, plain, name: name.0.clone(), kind })
}

/// A response code (RFC 1035 4.1.1, RFC 6895).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rcode {
    /// NOERROR.
    NoError,
    /// FORMERR.
    FormErr,
    /// SERVFAIL.
    ServFail,
    /// NXDOMAIN.
    NxDomain,
    /// NOTIMP.
    NotImp,
    /// REFUSED.
    Refused,
    /// Any other.
    Other(u16),
}

impl Rcode {
    fn from_number(number: u16) -> Rcode {
        match number {
            0 => Rcode::NoError,
            1 => Rcode::FormErr,
            2 => Rcode::ServFail,
            3 => Rcode::NxDomain,
            4 => Rcode::NotImp,
            5 => Rcode::Refused,
            other => Rcode::Other(other),
        }
    }

    /// Returns the name as `dig` prints it.
    pub fn name(self) -> String {
        match self {
            Rcode::NoError => "NOERROR".to_owned(),
            Rcode::FormErr => "FORMERR".to_owned(),
            Rcode::ServFail => "SERVFAIL".to_owned(),
            Rcode::NxDomain => "NXDOMAIN".to_owned(),
            Rcode::NotImp => "NOTIMP".to_owned(),
            Rcode::Refused => "REFUSED".to_owned(),
            Rcode::Other(9) => "NOTAUTH".to_owned(),
            Rcode::Other(16) => "BADVERS".to_owned(),
            Rcode::Other(number) => format!("RCODE{number}"),
        }
    }
}

/// An answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The response code.
    pub rcode: Rcode,
    /// Whether the server is authoritative for the name (AA).
    pub authoritative: bool,
    /// Whether the answer was cut to fit (TC).
    pub truncated: bool,
    /// The addresses at the end of the CNAME chain, of the asked type.
    pub addresses: Vec<IpAddr>,
    /// The CNAME chain, in order, without the name itself.
    pub cname_chain: Vec<String>,
    /// The lowest time to live among the records that led to the addresses, in seconds.
    pub ttl_s: Option<u32>,
    /// The extended DNS error (RFC 8914), as `15 (Blocked): text`.
    pub extended_error: Option<String>,
}

/// Why bytes are no answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Another id, another question, or not an answer at all: a stray or forged message to be
    /// passed over.
    Foreign,
    /// It answers this question, but cannot be read.
    Malformed,
}

/// Reads the answer to a question.
///
/// # Errors
///
/// Returns why the bytes are not its answer.
pub fn read_reply(question: &Question, bytes: &[u8]) -> Result<Reply, Unfit> {
    let header: &[u8; HEADER] = bytes.first_chunk().ok_or(Unfit::Foreign)?;
    let asked = question.plain.get(..2).ok_or(Unfit::Foreign)?;
    if header[..2] != *asked || header[2] & 0x80 == 0 {
        return Err(Unfit::Foreign);
    }
    let rcode = Rcode::from_number(u16::from(header[3] & 0xf));
    match u16::from_be_bytes([header[4], header[5]]) {
        1 if same_question(question, bytes) => {}
        // A server that could not read the question, or would not, may leave it out.
        0 if !matches!(rcode, Rcode::NoError | Rcode::NxDomain) => {}
        _ => return Err(Unfit::Foreign),
    }
    let truncated = header[2] & 0x02 != 0;
    let authoritative = header[2] & 0x04 != 0;
    let Ok(message) = Message::from_vec(bytes) else {
        // Some servers cut a message in the middle of a record; only the TC bit counts then.
        if truncated {
            return Ok(Reply {
                rcode,
                authoritative,
                truncated,
                addresses: Vec::new(),
                cname_chain: Vec::new(),
                ttl_s: None,
                extended_error: None,
            });
        }
        return Err(Unfit::Malformed);
    };
    let (cname_chain, end, mut ttl_s) = follow(&question.name, &message);
    let mut addresses = Vec::new();
    for record in &message.answers {
        if record.name != end || record.dns_class != DNSClass::IN {
            continue;
        }
        let address = match (&record.data, question.kind) {
            (RData::A(a), Kind::A) => IpAddr::V4(a.0),
            (RData::AAAA(aaaa), Kind::Aaaa) => IpAddr::V6(aaaa.0),
            _ => continue,
        };
        if addresses.len() < MOST_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
            ttl_s = Some(ttl_s.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
        }
    }
    Ok(Reply {
        rcode: Rcode::from_number(message.metadata.response_code.into()),
        authoritative,
        truncated,
        ttl_s: ttl_s.filter(|_| !addresses.is_empty()),
        addresses,
        cname_chain,
        extended_error: extended_error(&message),
    })
}

/// Whether the message repeats our question, letter case aside (RFC 1035 2.3.3).
fn same_question(question: &Question, bytes: &[u8]) -> bool {
    let ours = question.plain.get(HEADER..).unwrap_or(&[]);
    bytes.get(HEADER..HEADER + ours.len()).is_some_and(|theirs| theirs.eq_ignore_ascii_case(ours))
}

/// Follows the aliases from a name: the chain, the name at its end, the lowest time to live on it.
fn follow(name: &Name, message: &Message) -> (Vec<String>, Name, Option<u32>) {
    let mut chain = Vec::new();
    let mut end = name.clone();
    let mut ttl = None;
    while chain.len() < LONGEST_CHAIN {
        let step = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if record.name == end && record.dns_class == DNSClass::IN => {
                Some((alias.0.clone(), record.ttl))
            }
            _ => None,
        });
        let Some((next, seconds)) = step else { break };
        chain.push(text_of(&next));
        ttl = Some(ttl.map_or(seconds, |ttl: u32| ttl.min(seconds)));
        end = next;
    }
    (chain, end, ttl)
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    }
}

/// Returns a name as printable ASCII without the final dot.
fn text_of(name: &Name) -> String {
    let text = name.to_ascii();
    let text = text.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(&text);
    printable(text)
}

/// Escapes everything but printable ASCII.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = (c == ' ' || c.is_ascii_graphic()).then_some(c);
            let escaped = plain.is_none().then(|| c.escape_default());
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .take(4 * LONGEST_TEXT)
        .collect()
}

fn extended_error(message: &Message) -> Option<String> {
    let edns = message.edns.as_ref()?;
    let EdnsOption::Unknown(_, data) = edns.option(EdnsCode::Unknown(15))? else {
        return None;
    };
    let (code, text) = data.split_first_chunk()?;
    let code = u16::from_be_bytes(*code);
    let text: String = String::from_utf8_lossy(text).chars().take(LONGEST_TEXT).collect();
    let mut words = match extended_name(code) {
        Some(name) => format!("{code} ({name})"),
        None => code.to_string(),
    };
    if !text.trim_end_matches('\0').is_empty() {
        words.push_str(": ");
        words.push_str(&printable(text.trim_end_matches('\0')));
    }
    Some(words)
}

/// The IANA registry of extended DNS errors (RFC 8914 5.2 and later entries).
fn extended_name(code: u16) -> Option<&'static str> {
    const NAMES: [&str; 30] = [
        "Other",
        "Unsupported DNSKEY Algorithm",
        "Unsupported DS Digest Type",
        "Stale Answer",
        "Forged Answer",
        "DNSSEC Indeterminate",
        "DNSSEC Bogus",
        "Signature Expired",
        "Signature Not Yet Valid",
        "DNSKEY Missing",
        "RRSIGs Missing",
        "No Zone Key Bit Set",
        "NSEC Missing",
        "Cached Error",
        "Not Ready",
        "Blocked",
        "Censored",
        "Filtered",
        "Prohibited",
        "Stale NXDOMAIN Answer",
        "Not Authoritative",
        "Not Supported",
        "No Reachable Authority",
        "Network Error",
        "Invalid Data",
        "Signature Expired before Valid",
        "Too Early",
        "Unsupported NSEC3 Iterations Value",
        "Unable to conform to policy",
        "Synthesized",
    ];
    NAMES.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::ResponseCode;
    use std::net::Ipv4Addr;

    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, CNAME};
    use proptest::prelude::*;

    fn ask(name: &str) -> Question {
        question(&WireName::new(name).unwrap(), Kind::A, 0x1234).unwrap()
    }

    fn answer(question: &Question, build: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::from_vec(&question.plain).unwrap().into_response();
        message.metadata.recursion_available = true;
        build(&mut message);
        message.to_vec().unwrap()
    }

    fn name(text: &str) -> Name {
        WireName::new(text).unwrap().0
    }

    fn alias(from: &str, to: Name, ttl: u32) -> Record {
        Record::from_rdata(name(from), ttl, RData::CNAME(CNAME(to)))
    }

    fn host(of: &str, last: u8, ttl: u32) -> Record {
        Record::from_rdata(name(of), ttl, RData::A(A(Ipv4Addr::new(192, 0, 2, last))))
    }

    #[test]
    fn a_cname_chain_is_followed_in_order_whatever_the_order_of_the_records() {
        let question = ask("www.test");
        let bytes = answer(&question, |message| {
            message.add_answer(host("c.test", 1, 300));
            message.add_answer(alias("b.test", name("c.test"), 20));
            message.add_answer(alias("WWW.test", name("b.test"), 60));
            message.add_answer(host("unrelated.test", 9, 1));
        });
        let reply = read_reply(&question, &bytes).unwrap();
        assert_eq!(reply.cname_chain, ["b.test", "c.test"]);
        assert_eq!(reply.addresses, [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!((reply.rcode, reply.ttl_s), (Rcode::NoError, Some(20)));
    }

    #[test]
    fn a_cname_loop_ends() {
        let question = ask("a.test");
        let bytes = answer(&question, |message| {
            message.add_answer(alias("a.test", name("b.test"), 1));
            message.add_answer(alias("b.test", name("a.test"), 1));
        });
        let reply = read_reply(&question, &bytes).unwrap();
        assert_eq!(reply.cname_chain.len(), LONGEST_CHAIN);
        assert!(reply.addresses.is_empty());
    }

    #[test]
    fn a_dangling_cname_keeps_its_nxdomain() {
        let question = ask("www.test");
        let bytes = answer(&question, |message| {
            message.metadata.response_code = ResponseCode::NXDomain;
            message.add_answer(alias("www.test", name("gone.test"), 60));
        });
        let reply = read_reply(&question, &bytes).unwrap();
        assert_eq!(
            (reply.rcode, reply.cname_chain),
            (Rcode::NxDomain, vec!["gone.test".to_owned()])
        );
    }

    #[test]
    fn control_characters_in_names_and_texts_are_escaped() {
        let question = ask("www.test");
        let evil = Name::from_labels([b"\x1b[31m\xc2\x9b\r\n".as_slice(), b"test"]).unwrap();
        let bytes = answer(&question, |message| {
            message.add_answer(alias("www.test", evil, 60));
            let mut edns = Edns::new();
            let data = [&[0, 15], b"\x1b]0;x\x07".as_slice()].concat();
            edns.options_mut().insert(EdnsOption::Unknown(15, data));
            message.set_edns(edns);
        });
        let reply = read_reply(&question, &bytes).unwrap();
        for text in [&reply.cname_chain[0], &reply.extended_error.unwrap()] {
            assert!(text.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{text:?}");
        }
    }

    #[test]
    fn an_extended_error_is_named() {
        let question = ask("www.test");
        let bytes = answer(&question, |message| {
            message.metadata.response_code = ResponseCode::ServFail;
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(15, b"\0\x06no good".to_vec()));
            message.set_edns(edns);
        });
        let reply = read_reply(&question, &bytes).unwrap();
        assert_eq!(reply.extended_error.as_deref(), Some("6 (DNSSEC Bogus): no good"));
    }

    #[test]
    fn another_id_or_question_is_foreign() {
        let question = ask("www.test");
        let good = answer(&question, |message| {
            message.add_answer(host("www.test", 1, 300));
        });
        assert!(read_reply(&question, &good).is_ok());
        let mut other_id = good.clone();
        other_id[1] ^= 1;
        let mut a_question = good.clone();
        a_question[2] &= 0x7f;
        let other_name = answer(&ask("wwx.test"), |_| {});
        let other_type = answer(
            &super::question(&WireName::new("www.test").unwrap(), Kind::Aaaa, 0x1234).unwrap(),
            |_| {},
        );
        for bytes in [other_id, a_question, other_name, other_type, Vec::new()] {
            assert_eq!(read_reply(&question, &bytes), Err(Unfit::Foreign));
        }
    }

    #[test]
    fn a_refusal_may_leave_the_question_out_and_an_answer_may_not() {
        let question = ask("www.test");
        let mut bytes = question.plain[..HEADER].to_vec();
        bytes[2] |= 0x80;
        bytes[5] = 0;
        assert_eq!(read_reply(&question, &bytes), Err(Unfit::Foreign));
        bytes[3] = 1;
        assert_eq!(read_reply(&question, &bytes).unwrap().rcode, Rcode::FormErr);
    }

    #[test]
    fn a_message_cut_in_a_record_still_counts_as_truncated() {
        let question = ask("www.test");
        let mut bytes = answer(&question, |message| {
            message.metadata.truncation = true;
            message.add_answer(host("www.test", 1, 300));
        });
        bytes.truncate(bytes.len() - 2);
        assert!(read_reply(&question, &bytes).unwrap().truncated);
    }

    #[test]
    fn names_that_dns_cannot_carry_are_refused() {
        for bad in ["", ".", "a..b", ".a", &"a".repeat(64), &"abc.".repeat(70)] {
            assert!(WireName::new(bad).is_none(), "{bad}");
        }
        assert_eq!(WireName::new("bücher.test").unwrap().text(), "xn--bcher-kva.test");
        assert_eq!(WireName::new("_a.b_.Test.").unwrap().text(), "_a.b_.Test");
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read_reply(&ask("www.test"), &bytes);
        }

        #[test]
        fn mutated_answers_never_panic_and_never_match_a_foreign_id(
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let question = ask("www.test");
            let mut bytes = answer(&question, |message| {
                message.add_answer(alias("www.test", name("b.test"), 60));
                message.add_answer(host("b.test", 1, 300));
                message.set_edns(Edns::new());
            });
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(reply) = read_reply(&question, &bytes) {
                prop_assert_eq!(&bytes[..2], &[0x12, 0x34]);
                prop_assert!(reply.addresses.len() <= MOST_ADDRESSES);
                for text in &reply.cname_chain {
                    prop_assert!(text.chars().all(|c| c == ' ' || c.is_ascii_graphic()));
                }
            }
        }

        #[test]
        fn no_name_makes_the_encoder_panic(name in ".{0,300}") {
            if let Some(name) = WireName::new(&name) {
                let _ = question(&name, Kind::A, 1);
            }
        }
    }
}
