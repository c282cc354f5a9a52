//! Reads the tables of iptables-legacy in this network namespace.
#![allow(clippy::disallowed_methods, unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use crate::wire::nft::{Chain, Family, Rule, Ruleset};
use crate::wire::xtables::{self, HEAD, INFO, Info};

const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;
/// Tables grow while they are read.
const TRIES: usize = 3;
/// A larger table would be one of the kernel's limits (`XT_MAX_TABLE_SIZE`), or nonsense.
const MOST: u32 = 512 << 20;

/// Adds the tables that exist, of IPv4 and IPv6, and says whether there are some that could not be
/// read (which takes `CAP_NET_ADMIN`), or not understood; `None` when the kernel does not say which
/// exist. No table is made by asking.
pub fn add_tables(into: &mut Ruleset) -> Option<bool> {
    let (mut unread, mut unknown) = (false, false);
    for v6 in [false, true] {
        let listed = match std::fs::read_to_string(names(v6)) {
            Ok(listed) => listed,
            // The module is not loaded: no table can exist.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => {
                unknown = true;
                continue;
            }
        };
        for name in listed.lines() {
            match table(v6, name) {
                Some((chains, rules)) => {
                    into.chains.extend(chains);
                    into.rules.extend(rules);
                }
                None => unread = true,
            }
        }
    }
    if unread { Some(true) } else { (!unknown).then_some(false) }
}

/// Reads the rules of one chain again, for their counters; `None` when it is gone.
pub fn chain_rules(family: Family, name: &str, chain: &str) -> Option<Vec<Rule>> {
    let (_, mut rules) = table(family == Family::Ip6, name.strip_suffix(xtables::SUFFIX)?)?;
    rules.retain(|rule| rule.chain == chain);
    Some(rules)
}

/// The file that lists the tables which exist; asking the kernel for one that does not would make it.
fn names(v6: bool) -> &'static str {
    match v6 {
        true => "/proc/thread-self/net/ip6_tables_names",
        false => "/proc/thread-self/net/ip_tables_names",
    }
}

fn table(v6: bool, name: &str) -> Option<(Vec<Chain>, Vec<Rule>)> {
    // Any socket of the family does; nothing is sent.
    let socket =
        Socket::new(if v6 { Domain::IPV6 } else { Domain::IPV4 }, Type::DGRAM, None).ok()?;
    let level = if v6 { libc::SOL_IPV6 } else { libc::SOL_IP };
    for _ in 0..TRIES {
        let mut info = named(name, INFO)?;
        option(&socket, level, GET_INFO, &mut info).ok()?;
        let info = Info::parse(&info)?;
        if info.size > MOST {
            return None;
        }
        let mut entries = named(name, HEAD + info.size as usize)?;
        entries.get_mut(32..36)?.copy_from_slice(&info.size.to_ne_bytes());
        match option(&socket, level, GET_ENTRIES, &mut entries) {
            Ok(()) => return xtables::table(v6, name, &info, entries.get(HEAD..)?),
            // It has another size by now.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(_) => return None,
        }
    }
    None
}

/// A buffer that begins with the name of a table.
fn named(name: &str, length: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; length];
    buffer.get_mut(..name.len()).filter(|_| name.len() < 32)?.copy_from_slice(name.as_bytes());
    Some(buffer)
}

fn option(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads and writes `length` bytes of the buffer at most, and both outlive the
    // call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
