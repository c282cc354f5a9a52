//! Fills the table of tracked connections of a host.
//!
//! Its size can't be changed outside of the initial namespace, so it takes real entries: made over
//! ctnetlink, marked as assured, so that the kernel does not give them up for others.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::Host;

/// Three of four entries are from this source.
pub(crate) const TOP_SOURCE: &str = "10.78.0.7";

/// The size of the table.
pub(crate) fn size(host: &Host) -> io::Result<u32> {
    number(host, "nf_conntrack_max")
}

/// Entries in the table.
pub(crate) fn count(host: &Host) -> io::Result<u32> {
    number(host, "nf_conntrack_count")
}

fn number(host: &Host, name: &str) -> io::Result<u32> {
    let path = format!("/proc/sys/net/netfilter/{name}");
    let text = host.enter(|| std::fs::read_to_string(path))?;
    text.trim().parse().map_err(io::Error::other)
}

/// Fills so many out of a hundred places; the host must have a rule that looks at connections.
pub(crate) fn fill(host: &Host, percent: u32) -> io::Result<()> {
    let size = size(host)?;
    let wanted = (u64::from(size) * u64::from(percent) / 100) as u32;
    // A few more than there is room for: the last must find the table full.
    let more = if percent == 100 { 64 } else { 0 };
    host.enter(|| -> io::Result<()> {
        let netfilter = Protocol::from(libc::NETLINK_NETFILTER);
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(netfilter))?;
        let mut batch = Vec::new();
        for number in 0..wanted + more {
            append_entry(&mut batch, number);
            if batch.len() > 30_000 {
                socket.send(&batch)?;
                batch.clear();
            }
        }
        socket.send(&batch).map(drop)
    })?;
    let found = count(host)?;
    if found < wanted {
        return Err(io::Error::other(format!("{found} of {wanted} connections in the table")));
    }
    Ok(())
}

/// `IPCTNL_MSG_CT_NEW` of `NFNL_SUBSYS_CTNETLINK`, with `NLM_F_REQUEST | NLM_F_EXCL | NLM_F_CREATE`.
fn append_entry(batch: &mut Vec<u8>, number: u32) {
    let source = match number % 4 {
        0 => [10, 79, (number >> 8) as u8, number as u8],
        _ => [10, 78, 0, 7],
    };
    let server = [10, 77, 0, 1];
    let (port, service) = ((1024 + number % 60_000) as u16, (53 + number / 60_000) as u16);
    let mut body = vec![libc::AF_INET as u8, 0, 0, 0];
    // CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_STATUS (confirmed, assured, seen reply), CTA_TIMEOUT.
    nested(&mut body, 1, |body| tuple(body, source, server, port, service));
    nested(&mut body, 2, |body| tuple(body, server, source, service, port));
    attribute(&mut body, 3, &0xe_u32.to_be_bytes());
    attribute(&mut body, 7, &600_u32.to_be_bytes());
    batch.extend((16 + body.len() as u32).to_ne_bytes());
    batch.extend(0x100_u16.to_ne_bytes());
    batch.extend(0x601_u16.to_ne_bytes());
    batch.extend(number.to_ne_bytes());
    batch.extend(0_u32.to_ne_bytes());
    batch.extend(body);
}

fn tuple(body: &mut Vec<u8>, from: [u8; 4], to: [u8; 4], from_port: u16, to_port: u16) {
    nested(body, 1, |body| {
        attribute(body, 1, &from);
        attribute(body, 2, &to);
    });
    nested(body, 2, |body| {
        attribute(body, 1, &[libc::IPPROTO_UDP as u8]);
        attribute(body, 2, &from_port.to_be_bytes());
        attribute(body, 3, &to_port.to_be_bytes());
    });
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn nested(body: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = body.len();
    attribute(body, kind | libc::NLA_F_NESTED as u16, &[]);
    fill(body);
    let length = (body.len() - start) as u16;
    body[start..start + 2].copy_from_slice(&length.to_ne_bytes());
}
