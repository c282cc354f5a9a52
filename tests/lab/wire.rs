//! A cable with delay, jitter, loss and a mind of its own.
//!
//! A veth pair is synchronous: an answer arrives before the sender has returned from the system call,
//! and that looks like no real network. So one cable of each network ends in a namespace where this
//! thread hands the frames on, each one late. It needs no `/dev/net/tun`, and pulling the plug on one
//! side (`ip link set wl down`) takes the carrier from the other, as with copper.
#![allow(unsafe_code)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;

use crate::net::Host;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client.
    Out,
    /// To the client.
    Back,
}

/// Says for each frame of one run whether it passes.
type Judge = Box<dyn FnMut(Way, &[u8]) -> bool + Send>;

/// Makes a judge for each run.
pub(crate) type Filter = Arc<dyn Fn() -> Judge + Send + Sync>;

/// What the cable does to frames.
#[derive(Clone)]
pub(crate) struct Cable {
    /// Each way.
    pub(crate) delay: Duration,
    /// Added to the delay of each frame, evenly spread from nothing to this.
    pub(crate) jitter: Duration,
    /// Whether frames overtake each other then; otherwise they keep their order.
    pub(crate) reorder: bool,
    /// Out of 100 frames, each way.
    pub(crate) loss: u32,
    /// Frames for which this says false are lost.
    pub(crate) filter: Option<Filter>,
}

impl Default for Cable {
    fn default() -> Cable {
        Cable {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            reorder: false,
            loss: 0,
            filter: None,
        }
    }
}

/// A running cable.
pub(crate) struct Wire {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Starts handing frames between two interfaces of a host that nothing else uses.
    pub(crate) fn start(host: &Host, left: &str, right: &str, cable: Cable) -> io::Result<Wire> {
        let ends = host.enter(|| -> io::Result<[OwnedFd; 2]> { Ok([tap(left)?, tap(right)?]) })?;
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("wire".to_owned())
            .spawn(move || hand_on(&ends, &stopped, &cable))?;
        Ok(Wire { stop, thread: Some(thread) })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// A packet socket that sees and sends whole frames on one interface.
fn tap(interface: &str) -> io::Result<OwnedFd> {
    let every_protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: plain socket calls; the descriptor is owned from the line after its creation, and the
    // address and the option outlive the calls that read them.
    unsafe {
        let fd = libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
            i32::from(every_protocol),
        );
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = OwnedFd::from_raw_fd(fd);
        let one: libc::c_int = 1;
        let set = libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const one).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = every_protocol;
        address.sll_ifindex = nix::net::if_::if_nametoindex(interface)? as i32;
        let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        if libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) < 0 {
            return Err(io::Error::last_os_error());
        }
        let _ = socket2::SockRef::from(&fd).set_recv_buffer_size(4 << 20);
        Ok(fd)
    }
}

/// A frame on its way: when it is due, its number, the end it goes to, its bytes.
type Late = (Instant, u64, usize, Vec<u8>);

fn hand_on(ends: &[OwnedFd; 2], stop: &EventFd, cable: &Cable) {
    let mut filter = cable.filter.as_ref().map(|make| make());
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let mut under_way: BinaryHeap<Reverse<Late>> = BinaryHeap::new();
    let mut latest = [Instant::now(); 2];
    let mut count = 0;
    let mut buffer = vec![0; 65_536];
    loop {
        let now = Instant::now();
        while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            let Some(Reverse((.., to, frame))) = under_way.pop() else { break };
            let _ = nix::sys::socket::send(
                ends[to].as_raw_fd(),
                &frame,
                nix::sys::socket::MsgFlags::MSG_DONTWAIT,
            );
        }
        let wait = under_way.peek().map(|Reverse((due, ..))| {
            TimeSpec::from_duration(due.saturating_duration_since(Instant::now()))
        });
        let mut ready = [
            PollFd::new(ends[0].as_fd(), PollFlags::POLLIN),
            PollFd::new(ends[1].as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        if ppoll(&mut ready, wait, None).is_err() {
            continue;
        }
        if ready[2].revents().is_some_and(|events| !events.is_empty()) {
            return;
        }
        for (from, end) in ends.iter().enumerate() {
            let way = if from == 0 { Way::Out } else { Way::Back };
            // An interface that went down leaves one error behind, which this loop reads away.
            for _ in 0..64 {
                let read = nix::sys::socket::recv(
                    end.as_raw_fd(),
                    &mut buffer,
                    nix::sys::socket::MsgFlags::MSG_DONTWAIT,
                );
                let Ok(size) = read else { break };
                let frame = &buffer[..size];
                if filter.as_mut().is_some_and(|passes| !passes(way, frame)) {
                    continue;
                }
                let neighbour = is_neighbour_discovery(frame);
                if cable.loss > 0 && !neighbour && chance.below(100) < cable.loss {
                    continue;
                }
                let jitter = match cable.jitter.as_micros() as u32 {
                    0 => 0,
                    most => chance.below(most + 1),
                };
                let mut due = Instant::now();
                if !neighbour {
                    due += cable.delay + Duration::from_micros(jitter.into());
                    if !cable.reorder {
                        due = due.max(latest[from]);
                        latest[from] = due;
                    }
                }
                count += 1;
                under_way.push(Reverse((due, count, 1 - from, frame.to_vec())));
            }
        }
    }
}

/// ARP and IPv6 neighbour discovery take no time and do not get lost: the long and bad way is meant
/// to lie behind the gateway.
fn is_neighbour_discovery(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0x06]) => true,
        Some([0x86, 0xdd]) => {
            frame.get(20) == Some(&58) && matches!(frame.get(54), Some(133..=137))
        }
        _ => false,
    }
}

/// xorshift64: the same network behaves the same way in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as u32) % bound
    }
}

/// What a filter may want to know of a TCP segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    pub(crate) port: u16,
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) rst: bool,
}

/// Reads the TCP header out of an Ethernet frame; none when it carries something else.
pub(crate) fn tcp_of(frame: &[u8]) -> Option<Segment> {
    let tcp = match (frame.get(12)?, frame.get(13)?) {
        (0x08, 0x00) if *frame.get(23)? == 6 => {
            frame.get(14 + 4 * usize::from(frame[14] & 15)..)?
        }
        (0x86, 0xdd) if *frame.get(20)? == 6 => frame.get(54..)?,
        _ => return None,
    };
    let flags = *tcp.get(13)?;
    Some(Segment {
        source_port: u16::from_be_bytes([tcp[0], tcp[1]]),
        port: u16::from_be_bytes([tcp[2], tcp[3]]),
        syn: flags & 2 != 0,
        ack: flags & 16 != 0,
        rst: flags & 4 != 0,
    })
}

/// Whether an Ethernet frame carries an ICMP echo request of either family.
pub(crate) fn is_echo_request(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => frame.get(23) == Some(&1) && frame.get(34) == Some(&8),
        Some([0x86, 0xdd]) => frame.get(20) == Some(&58) && frame.get(54) == Some(&128),
        _ => false,
    }
}
