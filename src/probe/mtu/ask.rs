//! Asks whether a packet of some size passes, in three ways.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::model::icmp::{IcmpError, IcmpKind};
use crate::sys::icmp::{Echo, Event};
use crate::sys::syn_data::{self, Flight, SynDataAnswer};
use crate::sys::udp::{self, Datagram, UdpAnswer};

/// Traceroute's first port: hardly anything listens there, and filters tend to let it through.
const UDP_PORT: u16 = 33_434;

/// Bytes of the small packet: more than the headers of a SYN with data.
pub(super) const SMALL: u32 = 100;

/// A way to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// ICMP echo, where this user may.
    Echo,
    /// A SYN with data.
    Tcp,
    /// UDP with DF to a closed port.
    Udp,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reply {
    /// The destination answered.
    Passed,
    /// A too-big error came, with this MTU in bytes (0 from very old routers); with TCP the kernel
    /// keeps the error itself.
    TooBig {
        /// The MTU that it names.
        mtu: u32,
        /// The error.
        icmp: Option<IcmpError>,
    },
    /// Nothing came.
    Lost,
    /// This way is closed here: not permitted, switched off, or rejected on the path.
    Unusable,
}

/// What became of a packet of some size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) way: Way,
    /// Its size in bytes as sent.
    pub(super) size: u32,
    pub(super) reply: Reply,
    pub(super) rtt: Option<Duration>,
    /// The largest packet in bytes that TCP would send to this server.
    pub(super) segment: Option<u32>,
}

/// Asks one destination, and counts the packets.
#[derive(Debug)]
pub(super) struct Asker {
    target: SocketAddr,
    /// The path MTU in bytes that the kernel believes in: a SYN keeps to it.
    kernel_mtu: u32,
    /// The size in bytes to which the kernel cut a SYN, because it remembers a smaller MSS of this
    /// server.
    syn_limit: AtomicU32,
    sent: AtomicU32,
    fates: Mutex<Vec<(Way, u32, Reply)>>,
}

impl Asker {
    pub(super) fn new(target: SocketAddr, kernel_mtu: u32) -> Asker {
        Asker {
            target,
            kernel_mtu,
            syn_limit: AtomicU32::new(u32::MAX),
            sent: AtomicU32::new(0),
            fates: Mutex::default(),
        }
    }

    /// Packets sent so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The largest size that this way can ask about, at most `ceiling`, as far as is known.
    pub(super) fn largest(&self, way: Way, ceiling: u32) -> u32 {
        match way {
            Way::Echo | Way::Udp => ceiling,
            Way::Tcp => {
                let v6 = self.target.is_ipv6();
                let (_, most) = syn_data::range(v6, self.kernel_mtu.min(ceiling));
                most.min(self.syn_limit.load(Ordering::Relaxed))
            }
        }
    }

    /// Sends a packet of `size` bytes and waits at most `patience`.
    pub(super) async fn ask(&self, way: Way, size: u32, patience: Duration) -> Asked {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let asked = match way {
            Way::Echo => self.echo(size, patience).await,
            Way::Tcp => self.syn(size, patience).await,
            Way::Udp => self.datagram(size, patience).await,
        };
        self.note(way, asked.size, asked.reply);
        asked
    }

    /// Keeps what became of a packet.
    pub(super) fn note(&self, way: Way, size: u32, reply: Reply) {
        if let Ok(mut fates) = self.fates.lock() {
            fates.push((way, size, reply));
        }
    }

    /// Returns what became of the packets, in the order in which that was known.
    pub(super) fn fates(&self) -> Vec<(Way, u32, Reply)> {
        self.fates.lock().map(|fates| fates.clone()).unwrap_or_default()
    }

    async fn echo(&self, size: u32, patience: Duration) -> Asked {
        let asked = |reply, rtt| Asked { way: Way::Echo, size, reply, rtt, segment: None };
        let Ok(echo) = Echo::open(self.target) else {
            return asked(Reply::Unusable, None);
        };
        let Ok(sent) = echo.send(1, size) else {
            return asked(Reply::Unusable, None);
        };
        match tokio::time::timeout(patience, echo.next()).await {
            Ok(Ok(Event::Reply { .. })) => asked(Reply::Passed, Some(sent.elapsed())),
            Ok(Ok(Event::Error { icmp, .. })) => asked(too_big(icmp), Some(sent.elapsed())),
            Ok(Err(_)) => asked(Reply::Unusable, None),
            Err(_) => asked(Reply::Lost, None),
        }
    }

    async fn syn(&self, size: u32, patience: Duration) -> Asked {
        let asked = |size, reply, rtt, segment| Asked { way: Way::Tcp, size, reply, rtt, segment };
        let Ok(flight) = Flight::start(self.target, size, self.kernel_mtu) else {
            return asked(size, Reply::Unusable, None, None);
        };
        if flight.size() < size {
            self.syn_limit.fetch_min(flight.size(), Ordering::Relaxed);
        }
        let report = flight.report(patience).await;
        let reply = match report.answer {
            SynDataAnswer::Passed => Reply::Passed,
            SynDataAnswer::TooBig(mtu) => Reply::TooBig { mtu, icmp: None },
            SynDataAnswer::Silent => Reply::Lost,
            SynDataAnswer::Icmp(_) | SynDataAnswer::LocalError(_) => Reply::Unusable,
        };
        asked(flight.size(), reply, report.rtt, report.segment)
    }

    async fn datagram(&self, size: u32, patience: Duration) -> Asked {
        let report = udp::probe(&self.to(None, size), patience).await;
        let reply = match report.answer {
            UdpAnswer::Data(_) => Reply::Passed,
            UdpAnswer::Icmp(icmp)
                if icmp.from == self.target.ip() && icmp.kind != IcmpKind::TooBig =>
            {
                Reply::Passed
            }
            UdpAnswer::Icmp(icmp) => too_big(icmp),
            UdpAnswer::TooBigHere(_) | UdpAnswer::LocalError(_) => Reply::Unusable,
            UdpAnswer::Silent => Reply::Lost,
        };
        Asked { way: Way::Udp, size, reply, rtt: report.rtt, segment: None }
    }

    /// Sends a datagram that ends at hop `ttl` and returns the ICMP error that comes.
    pub(super) async fn hop(&self, ttl: u8, size: u32, patience: Duration) -> Option<IcmpError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        match udp::probe(&self.to(Some(ttl), size), patience).await.answer {
            UdpAnswer::Icmp(icmp) => Some(icmp),
            _ => None,
        }
    }

    fn to(&self, ttl: Option<u8>, size: u32) -> Datagram {
        let mut target = self.target;
        target.set_port(UDP_PORT);
        Datagram { target, ttl, size }
    }
}

fn too_big(icmp: IcmpError) -> Reply {
    if icmp.kind == IcmpKind::TooBig {
        Reply::TooBig { mtu: icmp.mtu.unwrap_or(0), icmp: Some(icmp) }
    } else {
        Reply::Unusable
    }
}
