//! Those who call at the service while the product looks at it: crowds, knockers, floods.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::Host;

/// Something that goes on in a thread until it is dropped.
pub(crate) struct Ongoing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ongoing {
    /// Does a piece of work on a host again and again, with a pause in between.
    pub(crate) fn start(
        host: &Host,
        every: Duration,
        mut work: impl FnMut() + Send + 'static,
    ) -> io::Result<Ongoing> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let namespace = host.namespace()?;
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            crate::net::join(&namespace);
            while !stopped.load(Ordering::Relaxed) {
                work();
                std::thread::park_timeout(every);
            }
        })?;
        Ok(Ongoing { stop, thread: Some(thread) })
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Opens connections from a host, one after the other.
pub(crate) fn crowd(host: &Host, target: SocketAddr, count: usize) -> io::Result<Vec<TcpStream>> {
    host.enter(|| (0..count).map(|_| TcpStream::connect(target)).collect())
}

/// Starts a connection every so often, and gives each up when many others have been started.
pub(crate) fn knocking(host: &Host, target: SocketAddr, every: Duration) -> io::Result<Ongoing> {
    let mut started = std::collections::VecDeque::new();
    Ongoing::start(host, every, move || {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, None);
        let knock = socket.and_then(|socket| {
            socket.set_nonblocking(true)?;
            // In progress is all there is to expect.
            let _ = socket.connect(&target.into());
            Ok(socket)
        });
        if let Ok(knock) = knock {
            started.push_back(knock);
        }
        if started.len() > 32 {
            started.pop_front();
        }
    })
}

/// SYNs from addresses of nobody.
pub(crate) struct Flood {
    socket: Socket,
    target: SocketAddrV4,
    next: u32,
}

impl Flood {
    /// The sources: 10.200.0.0/15.
    pub(crate) const SOURCES: &str = "10.200.0.0/15";

    pub(crate) fn open(host: &Host, target: SocketAddrV4) -> io::Result<Flood> {
        let socket = host.enter(|| -> io::Result<Socket> {
            let raw = Protocol::from(libc::IPPROTO_RAW);
            Socket::new(Domain::IPV4, Type::RAW, Some(raw))
        })?;
        Ok(Flood { socket, target, next: 0 })
    }

    /// Sends so many, each from another source.
    pub(crate) fn send(&mut self, count: u32) {
        for _ in 0..count {
            // An odd step visits all of them before it comes back to the first.
            let source = Ipv4Addr::from(0x0AC8_0000 | (self.next.wrapping_mul(40_503) & 0x1_FFFF));
            let port = 1024 + (self.next % 60_000) as u16;
            let packet = syn(SocketAddrV4::new(source, port), self.target, self.next);
            let _ = self.socket.send_to(&packet, &SocketAddr::V4(self.target).into());
            self.next += 1;
        }
    }
}

/// A bare SYN with its IPv4 header; the kernel fills in the header's length and checksum.
fn syn(from: SocketAddrV4, to: SocketAddrV4, sequence: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[0] = 0x45;
    packet[8] = 64;
    packet[9] = 6;
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    packet[32] = 5 << 4;
    packet[33] = 2;
    packet[34..36].copy_from_slice(&64_240u16.to_be_bytes());
    // The pseudo header: both addresses, the protocol, the length of the segment (RFC 9293, 3.1).
    let words = packet[12..].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum::<u32>() + 6 + 20;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[36..38].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet
}
