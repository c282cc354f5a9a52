//! The system's own resolver: `getaddrinfo`, with the code it fails with and the time it took.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use nix::errno::Errno;
use tokio::sync::oneshot;

use crate::sys::clock;

/// The most addresses that are taken from one answer.
const MOST_ADDRESSES: usize = 64;

/// Which families the resolver is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// Both (`AF_UNSPEC`).
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// What `getaddrinfo` returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// The addresses in its order (RFC 6724), or the name of its code, such as `EAI_NONAME`; for
    /// `EAI_SYSTEM` followed by the errno.
    pub result: Result<Vec<String>, String>,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// Starts `getaddrinfo` on a thread of its own and hands back where its answer will arrive.
///
/// Not on the runtime's blocking pool: glibc may hang in it for half a minute, and a runtime waits
/// for its pool when it shuts down. A thread of its own ends with the process.
///
/// # Errors
///
/// Returns `None` when the name cannot be passed on or no thread can be started.
pub fn start_lookup(name: &str, families: Families) -> Option<oneshot::Receiver<Lookup>> {
    let name = CString::new(name).ok()?;
    let (sender, receiver) = oneshot::channel();
    let start = clock::now();
    std::thread::Builder::new()
        .name("getaddrinfo".to_owned())
        .spawn(move || {
            let result = lookup(&name, families);
            // The receiver may have stopped waiting.
            let _ = sender.send(Lookup { result, ms: clock::ms_since(start) });
        })
        .ok()?;
    Some(receiver)
}

/// Whether the kernel would find a route and a source address to an address; sends nothing.
pub fn has_route(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect((address, 9)).is_ok())
}

fn lookup(name: &CStr, families: Families) -> Result<Vec<String>, String> {
    // SAFETY: addrinfo is plain data for which all zeroes is the documented empty hint.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = match families {
        Families::Any => libc::AF_UNSPEC,
        Families::V4 => libc::AF_INET,
        Families::V6 => libc::AF_INET6,
    };
    // One socket type, or every address comes three times.
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list: *mut libc::addrinfo = std::ptr::null_mut();
    // SAFETY: the name is NUL-terminated, hints and list live through the call.
    let code = unsafe {
        libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &raw const hints, &raw mut list)
    };
    let errno = Errno::last();
    if code != 0 {
        return Err(code_name(code, errno));
    }
    let mut addresses = Vec::new();
    let mut at = list;
    while !at.is_null() && addresses.len() < MOST_ADDRESSES {
        // SAFETY: `at` is a node of the list that getaddrinfo made, not freed yet.
        let node = unsafe { &*at };
        if let Some(address) = address_of(node)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
        at = node.ai_next;
    }
    // SAFETY: the list came from getaddrinfo and is not used afterwards.
    unsafe { libc::freeaddrinfo(list) };
    Ok(addresses)
}

/// Reads the address of a node, with the zone of a link-local one.
fn address_of(node: &libc::addrinfo) -> Option<String> {
    let length = node.ai_addrlen as usize;
    if node.ai_addr.is_null() {
        return None;
    }
    if node.ai_family == libc::AF_INET && length >= size_of::<libc::sockaddr_in>() {
        // SAFETY: family and length say that this is a sockaddr_in; it may be unaligned.
        let address = unsafe { node.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
        return Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).to_string());
    }
    if node.ai_family == libc::AF_INET6 && length >= size_of::<libc::sockaddr_in6>() {
        // SAFETY: family and length say that this is a sockaddr_in6; it may be unaligned.
        let address = unsafe { node.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
        let bare = Ipv6Addr::from(address.sin6_addr.s6_addr);
        return Some(match address.sin6_scope_id {
            0 => bare.to_string(),
            scope => format!("{bare}%{}", zone_of(scope)),
        });
    }
    None
}

/// Returns the name of an interface, or its number when it has none.
fn zone_of(scope: u32) -> String {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the call wants and is NUL-filled.
    let found = unsafe { libc::if_indextoname(scope, name.as_mut_ptr()) };
    if found.is_null() {
        return scope.to_string();
    }
    // SAFETY: the call succeeded, so the buffer holds a NUL-terminated name.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    name.to_string_lossy().into_owned()
}

/// Names a code of `getaddrinfo`; glibc's and musl's numbers (netdb.h).
fn code_name(code: i32, errno: Errno) -> String {
    let name = match code {
        -1 => "EAI_BADFLAGS",
        -2 => "EAI_NONAME",
        -3 => "EAI_AGAIN",
        -4 => "EAI_FAIL",
        -5 => "EAI_NODATA",
        -6 => "EAI_FAMILY",
        -7 => "EAI_SOCKTYPE",
        -8 => "EAI_SERVICE",
        -9 => "EAI_ADDRFAMILY",
        -10 => "EAI_MEMORY",
        -11 => return format!("EAI_SYSTEM {errno:?}"),
        -12 => "EAI_OVERFLOW",
        -105 => "EAI_IDN_ENCODE",
        other => return format!("EAI_{other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_come_back_without_a_network() {
        let ask = |name: &CStr, families| lookup(name, families);
        assert_eq!(ask(c"127.0.0.1", Families::Any), Ok(vec!["127.0.0.1".to_owned()]));
        assert_eq!(ask(c"::1", Families::V6), Ok(vec!["::1".to_owned()]));
        assert_eq!(ask(c"fe80::1%lo", Families::Any), Ok(vec!["fe80::1%lo".to_owned()]));
        assert!(ask(c"::1", Families::V4).is_err_and(|code| code.starts_with("EAI_")));
    }

    #[test]
    fn a_name_with_a_nul_is_not_looked_up() {
        assert!(start_lookup("a\0b", Families::Any).is_none());
    }
}
