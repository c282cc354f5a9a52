//! A socket registered with the async runtime, and the few options that the socket crates lack.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A socket that tokio watches.
///
/// It hides `AsyncFd::get_mut`, so the registered descriptor can never be swapped for another one.
#[derive(Debug)]
pub struct Watched(AsyncFd<Socket>);

impl Watched {
    /// Registers a non-blocking socket with the current runtime.
    ///
    /// A TCP socket has to be registered after `connect()`: before it, epoll reports a hang-up that
    /// tokio never forgets.
    ///
    /// # Errors
    ///
    /// Returns the error of `epoll_ctl`, for example `ENOSPC` when the user's watches are used up.
    pub fn new(socket: Socket) -> io::Result<Watched> {
        // SAFETY: the `Socket` is owned by the `AsyncFd` until that is dropped or taken apart by
        // `into_inner`; `Socket::as_raw_fd` always returns the one descriptor it owns, and this type
        // hands out only shared references, through which it cannot be replaced or closed.
        let registered = unsafe {
            AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::WRITABLE)
        };
        registered.map(Watched).map_err(|e| e.into_parts().1)
    }

    /// The socket.
    pub fn socket(&self) -> &Socket {
        self.0.get_ref()
    }

    /// Ends the registration and returns the socket.
    pub fn into_socket(self) -> Socket {
        self.0.into_inner()
    }

    /// Calls `look` whenever the socket may have become ready for `interest`, until it returns
    /// something.
    pub async fn when_ready<R>(
        &self,
        interest: Interest,
        mut look: impl FnMut(&Socket) -> Option<R>,
    ) -> io::Result<R> {
        loop {
            let mut guard = self.0.ready(interest).await?;
            if let Some(found) = look(self.0.get_ref()) {
                return Ok(found);
            }
            let closed = guard.ready().is_read_closed() || guard.ready().is_write_closed();
            guard.clear_ready();
            if closed {
                // tokio keeps "closed" readiness for ever, so waiting for an edge would spin.
                tokio::time::sleep(RECHECK).await;
            }
        }
    }
}

/// How often a socket is looked at again whose readiness tokio can no longer tell.
const RECHECK: std::time::Duration = std::time::Duration::from_millis(5);

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

/// Sets an integer socket option.
///
/// # Errors
///
/// Returns the error of `setsockopt`.
pub fn set_int(fd: BorrowedFd<'_>, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call (it is borrowed), and the pointer and length
    // describe one live `c_int`.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an integer socket option.
///
/// # Errors
///
/// Returns the error of `getsockopt`.
pub fn int(fd: BorrowedFd<'_>, level: i32, option: i32) -> io::Result<i32> {
    let mut value = [0; mem::size_of::<libc::c_int>()];
    let length = bytes(fd, level, option, &mut value)?;
    if length < value.len() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    Ok(i32::from_ne_bytes(value))
}

/// Reads a socket option into a buffer and returns how many bytes the kernel wrote.
///
/// # Errors
///
/// Returns the error of `getsockopt`.
pub fn bytes(fd: BorrowedFd<'_>, level: i32, option: i32, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(buffer.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is open for the call (it is borrowed); `length` is not larger than the
    // buffer, and the kernel writes at most that many bytes and stores their number in it.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, option, buffer.as_mut_ptr().cast(), &raw mut length)
    };
    if result == 0 {
        Ok((length as usize).min(buffer.len()))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Reads and clears the pending error of a socket (`SO_ERROR`); `None` when there is none.
///
/// Read it before draining the error queue: draining clears it.
pub fn take_error(fd: BorrowedFd<'_>) -> Option<i32> {
    int(fd, libc::SOL_SOCKET, libc::SO_ERROR).ok().filter(|errno| *errno != 0)
}
