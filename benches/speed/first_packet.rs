//! When the first packet of a command left.
//!
//! A packet socket on the client's host sees every frame, and the kernel stamps each when it takes it
//! for sending (`SO_TIMESTAMPNS`): neither our own scheduling nor the cable is in the number. What is
//! in it begins just before `fork`: making the process, loading it, and all that it does before it
//! sends.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType,
    SockaddrStorage, recvmsg, setsockopt, socket, sockopt,
};

use crate::net::Host;

/// An open ear on every interface of a host.
pub(crate) struct Ear(OwnedFd);

impl Ear {
    pub(crate) fn open(host: &Host) -> io::Result<Ear> {
        host.enter(|| {
            let ear = socket(
                AddressFamily::Packet,
                SockType::Datagram,
                SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
                SockProtocol::EthAll,
            )?;
            setsockopt(&ear, sockopt::ReceiveTimestampns, &true)?;
            Ok(Ear(ear))
        })
    }

    /// Returns when the first IPv4 packet passed after a moment, counted from it.
    pub(crate) fn first_after(&self, moment: SystemTime) -> io::Result<Option<Duration>> {
        let mut first: Option<Duration> = None;
        loop {
            let mut packet = [0_u8; 64];
            let mut room = nix::cmsg_space!(libc::timespec);
            let mut parts = [io::IoSliceMut::new(&mut packet)];
            let received = recvmsg::<SockaddrStorage>(
                self.0.as_raw_fd(),
                &mut parts,
                Some(&mut room),
                MsgFlags::empty(),
            );
            let received = match received {
                Err(Errno::EAGAIN) => return Ok(first),
                received => received?,
            };
            let protocol = received.address.and_then(|from| from.as_link_addr()?.protocol().into());
            if protocol.map(u16::from_be) != Some(libc::ETH_P_IP as u16) {
                continue;
            }
            for message in received.cmsgs()? {
                let ControlMessageOwned::ScmTimestampns(stamp) = message else { continue };
                let at = SystemTime::UNIX_EPOCH + Duration::from(stamp);
                // What passed before is somebody else's.
                if let Ok(after) = at.duration_since(moment) {
                    first = Some(first.map_or(after, |first| first.min(after)));
                }
            }
        }
    }
}
