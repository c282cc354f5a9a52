//! Packets as they come in, before any rule of this machine sees them: SYNs to one port.
//!
//! A packet socket (packet(7)) with a filter in the kernel, so that a busy server copies nothing else.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;

use crate::sys::socket::{self, Watched};

/// Enough for the headers and their options: 60 bytes of IPv4, or 40 of IPv6, and 60 of TCP.
const SNAP: u32 = 120;
/// `PACKET_IGNORE_OUTGOING` (`linux/if_packet.h`, Linux 4.20).
const PACKET_IGNORE_OUTGOING: i32 = 23;
const TCP: u8 = 6;
/// The bits of a SYN and an ACK among TCP's flags (RFC 9293, 3.1).
const SYN: u8 = 0x02;
const SYN_OR_ACK: u8 = 0x12;

/// A SYN that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Where it comes from.
    pub from: IpAddr,
    /// Where it goes to.
    pub to: IpAddr,
    /// The segment size that it advertises (RFC 9293, 3.7.1), in bytes; `None` without the option.
    pub segment: Option<u16>,
}

/// SYNs to a port of this machine.
#[derive(Debug)]
pub struct Arrivals {
    socket: Watched,
    port: u16,
}

impl Arrivals {
    /// Begins to listen on all interfaces; needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// Returns what the kernel says, `EPERM` without the capability.
    pub fn of_port(port: u16) -> io::Result<Arrivals> {
        let everything = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(everything))?;
        socket.attach_filter(&filter(port))?;
        // An older kernel shows what we send as well; the addresses tell it apart.
        let _ = socket::set_int(socket.as_fd(), libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
        socket.set_nonblocking(true)?;
        Ok(Arrivals { socket: Watched::new(socket)?, port })
    }

    /// Waits for the next SYN.
    ///
    /// # Errors
    ///
    /// Returns what reading met.
    pub async fn next(&self) -> io::Result<Arrived> {
        let read = self.socket.when_ready(Interest::READABLE, |mut socket| {
            let mut bytes = [0; SNAP as usize];
            loop {
                match socket.read(&mut bytes) {
                    // What came before the filter was there is no SYN of ours.
                    Ok(count) => match arrived(&bytes[..count], self.port) {
                        Some(found) => return Some(Ok(found)),
                        None => continue,
                    },
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // One interface went down; there are others.
                    Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
        });
        read.await?
    }
}

/// Reads a SYN to the port; `None` for any other packet.
fn arrived(packet: &[u8], port: u16) -> Option<Arrived> {
    let (tcp, from, to): (usize, IpAddr, IpAddr) = match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&TCP) => {
            let at =
                |start: usize| -> Option<[u8; 4]> { packet.get(start..start + 4)?.try_into().ok() };
            let length = usize::from(packet[0] & 0x0f) * 4;
            (length, Ipv4Addr::from(at(12)?).into(), Ipv4Addr::from(at(16)?).into())
        }
        6 if packet.get(6) == Some(&TCP) => {
            let at = |start: usize| -> Option<[u8; 16]> {
                packet.get(start..start + 16)?.try_into().ok()
            };
            (40, Ipv6Addr::from(at(8)?).into(), Ipv6Addr::from(at(24)?).into())
        }
        _ => return None,
    };
    let wanted = packet.get(tcp + 2..tcp + 4)?;
    let flags = packet.get(tcp + 13)?;
    let is_syn = u16::from_be_bytes([wanted[0], wanted[1]]) == port && flags & SYN_OR_ACK == SYN;
    is_syn.then(|| Arrived { from, to, segment: segment(&packet[tcp..]) })
}

/// Finds the segment size among the options of a TCP header (RFC 9293, 3.1): kind 2, length 4.
fn segment(header: &[u8]) -> Option<u16> {
    let length = usize::from(header.get(12)? >> 4) * 4;
    let mut options = header.get(20..length)?;
    loop {
        match options {
            [2, 4, high, low, ..] => return Some(u16::from_be_bytes([*high, *low])),
            [0, ..] | [] => return None,
            [1, rest @ ..] => options = rest,
            [_, length, ..] if *length >= 2 => options = options.get(usize::from(*length)..)?,
            _ => return None,
        }
    }
}

/// Takes SYNs to the port out of IPv4 and IPv6, without extension headers (classic BPF).
fn filter(port: u16) -> [SockFilter; 20] {
    let load_byte = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    let load_half = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    let load_byte_x = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
    let load_half_x = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
    let header = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    let immediate_x = (libc::BPF_LDX | libc::BPF_W | libc::BPF_IMM) as u16;
    let and = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let any_bit = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    let always = (libc::BPF_JMP | libc::BPF_JA) as u16;
    let give = (libc::BPF_RET | libc::BPF_K) as u16;
    let op = SockFilter::new;
    [
        op(load_byte, 0, 0, 0),
        op(and, 0, 0, 0xf0),
        op(equal, 0, 6, 0x40),
        // IPv4: TCP, the first fragment, and behind the options.
        op(load_byte, 0, 0, 9),
        op(equal, 0, 14, TCP.into()),
        op(load_half, 0, 0, 6),
        op(any_bit, 12, 0, 0x1fff),
        op(header, 0, 0, 0),
        op(always, 0, 0, 4),
        // IPv6: TCP right behind the header.
        op(equal, 0, 9, 0x60),
        op(load_byte, 0, 0, 6),
        op(equal, 0, 7, TCP.into()),
        op(immediate_x, 0, 0, 40),
        // Both: the port, and SYN without ACK.
        op(load_half_x, 0, 0, 2),
        op(equal, 0, 4, port.into()),
        op(load_byte_x, 0, 0, 13),
        op(and, 0, 0, SYN_OR_ACK.into()),
        op(equal, 0, 1, SYN.into()),
        op(give, 0, 0, SNAP),
        op(give, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(flags: u8, port: u16, options: usize) -> Vec<u8> {
        let mut packet = vec![0; 20 + options + 20];
        packet[0] = 0x45 + u8::try_from(options / 4).expect("few");
        packet[9] = TCP;
        packet[12..16].copy_from_slice(&[10, 1, 0, 2]);
        packet[16..20].copy_from_slice(&[10, 1, 0, 5]);
        packet[20 + options + 2..20 + options + 4].copy_from_slice(&port.to_be_bytes());
        packet[20 + options + 13] = flags;
        packet
    }

    fn v6(flags: u8, port: u16) -> Vec<u8> {
        let mut packet = vec![0; 60];
        packet[0] = 0x60;
        packet[6] = TCP;
        packet[23] = 2;
        packet[39] = 5;
        packet[42..44].copy_from_slice(&port.to_be_bytes());
        packet[53] = flags;
        packet
    }

    #[test]
    fn only_syns_to_the_port_are_arrivals() {
        let here =
            |packet: &[u8]| arrived(packet, 5432).map(|syn| format!("{} {}", syn.from, syn.to));
        assert_eq!(here(&v4(SYN, 5432, 0)).as_deref(), Some("10.1.0.2 10.1.0.5"));
        assert_eq!(here(&v4(SYN, 5432, 8)).as_deref(), Some("10.1.0.2 10.1.0.5"));
        // ECN-setup SYNs (RFC 3168) are SYNs.
        assert!(here(&v4(SYN | 0xc0, 5432, 0)).is_some());
        assert_eq!(here(&v6(SYN, 5432)).as_deref(), Some("::2 ::5"));
        for other in [v4(SYN, 80, 0), v4(0x12, 5432, 0), v4(0x10, 5432, 0), v6(SYN, 80)] {
            assert_eq!(here(&other), None);
        }
        let whole = v4(SYN, 5432, 0);
        for cut in 0..34 {
            assert_eq!(here(&whole[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn the_segment_size_stands_anywhere_among_the_options() {
        let with = |options: &[u8]| {
            let mut packet = v4(SYN, 5432, 0);
            packet.extend(options);
            packet[32] = u8::try_from((20 + options.len()) / 4).expect("few") << 4;
            arrived(&packet, 5432).expect("a SYN").segment
        };
        let cases: [(&[u8], Option<u16>); 7] = [
            (&[], None),
            (&[2, 4, 2, 133], Some(645)),
            (&[1, 1, 4, 2, 2, 4, 5, 180], Some(1460)),
            (&[0, 0, 0, 0], None),
            (&[3, 0, 2, 4], None),
            (&[8, 40, 0, 0], None),
            (&[2, 4, 2, 133, 2, 4, 0, 1], Some(645)),
        ];
        for (options, segment) in cases {
            assert_eq!(with(options), segment, "{options:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_packet_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let _ = arrived(&bytes, 80);
        }
    }
}
