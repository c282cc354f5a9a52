//! An address as runbooks write it, with the zone of a link-local one, to a socket address.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::model::outcome::Why;
use crate::sys::errno;

/// Reads `192.0.2.1`, `2001:db8::1` or `fe80::1%eth0`; the zone is looked up among the interfaces.
///
/// # Errors
///
/// Returns why it is no address of this machine's network namespace.
pub fn parse(text: &str, port: u16) -> Result<SocketAddr, Why> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(Why::Unsupported {
            what: format!("the address {}", text.escape_debug()),
        });
    };
    match (ip, zone) {
        (ip, None) => Ok(SocketAddr::new(ip, port)),
        (IpAddr::V6(ip), Some(zone)) => {
            let scope = match zone.parse() {
                Ok(number) => number,
                Err(_) => nix::net::if_::if_nametoindex(zone).map_err(|error| Why::Failed {
                    operation: format!("the interface {}", zone.escape_debug()),
                    errno: errno::name(error as i32),
                })?,
            };
            Ok(SocketAddrV6::new(ip, port, 0, scope).into())
        }
        (IpAddr::V4(_), Some(_)) => Err(Why::Unsupported {
            what: format!("the address {}", text.escape_debug()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_and_a_zone_are_read() {
        for (text, want) in [
            ("192.0.2.1", "192.0.2.1:7"),
            ("2001:db8::1", "[2001:db8::1]:7"),
            ("fe80::1%9", "[fe80::1%9]:7"),
        ] {
            assert_eq!(parse(text, 7).expect(text).to_string(), want);
        }
    }

    #[test]
    fn a_name_or_a_zone_on_ipv4_is_no_address() {
        for text in [
            "db.example",
            "",
            "192.0.2.1%eth0",
            "fe80::1%no-such-interface",
        ] {
            assert!(parse(text, 7).is_err(), "{text}");
        }
    }
}
