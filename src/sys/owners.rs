//! Which processes hold a socket: one bounded scan of `/proc/*/fd`.
//!
//! Without privilege only the descriptors of our own processes are readable. What was not found is
//! therefore hidden, never proven to have no owner.
#![allow(unsafe_code, clippy::disallowed_methods)]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::outcome::Why;
use crate::sys::errno;

/// Descriptors of one process that are looked at in one go.
const CHUNK: u32 = 2048;
/// The first look: a listener is nearly always among the first descriptors of its process.
const FIRST: u32 = 128;
/// Few sockets: it pays to look at the first descriptors of all processes before all of any.
const FEW: usize = 64;
/// Threads at most.
const THREADS: usize = 4;

/// Which processes hold which sockets.
#[derive(Debug, Clone, Default)]
pub struct Owners {
    /// Inode and process, in order, each pair once.
    held: Vec<(u32, u32)>,
    /// Processes whose descriptors could not be read.
    pub denied: u32,
}

impl Owners {
    /// Looks for the processes that hold the sockets with these inodes, and, where it passes by,
    /// for those of `besides`.
    ///
    /// Of few sockets it may end as soon as each has an owner: a process that holds one of them
    /// under a descriptor above 128 only is then left out.
    ///
    /// # Errors
    ///
    /// Returns why `/proc` could not be listed.
    pub fn of(inodes: &[u32], besides: &[u32]) -> Result<Owners, Why> {
        let few = inodes.len() <= FEW;
        let mut wanted: Vec<u32> =
            inodes.iter().chain(besides).copied().filter(|inode| *inode != 0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(Owners::default());
        }
        let processes = processes()?;
        if few {
            let found = scan(&wanted, &processes, FIRST);
            if inodes.iter().all(|inode| *inode == 0 || !found.pids(*inode).is_empty()) {
                return Ok(found);
            }
        }
        Ok(scan(&wanted, &processes, u32::MAX))
    }

    /// The processes that hold this socket, lowest first; empty when none was seen.
    pub fn pids(&self, inode: u32) -> &[(u32, u32)] {
        let start = self.held.partition_point(|(held, _)| *held < inode);
        let rest = &self.held[start..];
        &rest[..rest.partition_point(|(held, _)| *held == inode)]
    }
}

/// The numbers of all processes that we may see.
///
/// # Errors
///
/// Returns why `/proc` could not be listed.
pub fn processes() -> Result<Vec<u32>, Why> {
    let failed = |error: std::io::Error| Why::Failed {
        operation: "list /proc".to_owned(),
        errno: errno::name(errno::of(&error)),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    match found.is_empty() {
        // Not mounted, or mounted empty by a sandbox: we ourselves would be there.
        true => Err(Why::Unsupported { what: "/proc lists no process".to_owned() }),
        false => Ok(found),
    }
}

/// The inodes of the sockets that one process holds, and how many descriptors it has; `None` when
/// they cannot be read.
pub fn sockets_of(pid: u32) -> Option<(Vec<u32>, u32)> {
    let mut inodes = Vec::new();
    let mut count = 0;
    let mut buffer = vec![0; BUFFER];
    let directory = open(pid)?;
    let read = list(&directory, 0, u32::MAX, &mut buffer, |fd| {
        count += 1;
        inodes.extend(socket_inode(&directory, fd).ok().flatten());
    });
    read.then_some((inodes, count))
}

/// Counts the descriptors of a process; `None` when they cannot be read.
pub fn count_descriptors(pid: u32) -> Option<u32> {
    // Since Linux 6.2 the size of the directory is the number of its entries; 0 before.
    let size = std::fs::metadata(format!("/proc/{pid}/fd")).ok()?.len();
    let directory = open(pid)?;
    if let Ok(count @ 1..) = u32::try_from(size) {
        return Some(count);
    }
    let mut count = 0;
    list(&directory, 0, u32::MAX, &mut vec![0; BUFFER], |_| count += 1).then_some(count)
}

/// Looks at the descriptors below `limit` of every process, on several threads.
fn scan(wanted: &[u32], processes: &[u32], limit: u32) -> Owners {
    // Parts of processes still to look at: process, first descriptor.
    let queue: Mutex<Vec<(u32, u32)>> =
        Mutex::new(processes.iter().rev().map(|pid| (*pid, 0)).collect());
    let denied = AtomicU32::new(0);
    let busy = AtomicU32::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS));
    let work = || {
        let mut found = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let next = {
                let mut queue = lock(&queue);
                let next = queue.pop();
                if next.is_some() {
                    busy.fetch_add(1, Ordering::SeqCst);
                }
                next
            };
            let Some((pid, first)) = next else {
                // A thread that is still busy may have more for us.
                if busy.load(Ordering::SeqCst) == 0 {
                    return found;
                }
                std::thread::yield_now();
                continue;
            };
            let more = |next| lock(&queue).push((pid, next));
            if !look(pid, first, limit, wanted, &mut buffer, &mut found, more) {
                denied.fetch_add(1, Ordering::Relaxed);
            }
            busy.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let mut held: Vec<(u32, u32)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            all.extend(other.join().unwrap_or_default());
        }
        all
    });
    held.sort_unstable();
    held.dedup();
    Owners { held, denied: denied.into_inner() }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Looks at one part of a process' descriptors; false when they may not be read.
fn look(
    pid: u32,
    first: u32,
    limit: u32,
    wanted: &[u32],
    buffer: &mut [u8],
    found: &mut Vec<(u32, u32)>,
    more: impl FnOnce(u32),
) -> bool {
    let Some(directory) = open(pid) else {
        return !exists(pid);
    };
    let end = first.saturating_add(CHUNK).min(limit);
    let mut descriptors = Vec::new();
    if !list(&directory, first, end, buffer, |fd| descriptors.push(fd)) {
        return !exists(pid);
    }
    // The list goes on behind the part: another thread may begin while we read ours.
    if end < limit && descriptors.last().is_some_and(|last| *last >= end) {
        more(end);
    }
    let mut denied = false;
    for fd in descriptors.into_iter().filter(|fd| *fd < end) {
        match socket_inode(&directory, fd) {
            Ok(Some(inode)) if wanted.binary_search(&inode).is_ok() => found.push((inode, pid)),
            Ok(_) => {}
            Err(number) => denied |= number == libc::EACCES,
        }
    }
    !denied
}

fn exists(pid: u32) -> bool {
    std::fs::metadata(format!("/proc/{pid}")).is_ok()
}

fn open(pid: u32) -> Option<OwnedFd> {
    File::open(format!("/proc/{pid}/fd")).ok().map(OwnedFd::from)
}

/// Bytes for one listing: about 1,300 entries.
const BUFFER: usize = 32 * 1024;

/// Lists the descriptors from `first` on, in order, until one is not below `end` (that one is still
/// shown); false when the kernel refuses.
fn list(
    directory: &OwnedFd,
    first: u32,
    end: u32,
    buffer: &mut [u8],
    mut each: impl FnMut(u32),
) -> bool {
    if first > 0 {
        // The position in this directory is the descriptor plus 2, for `.` and `..`
        // (`proc_readfd_common`).
        // SAFETY: lseek(2) takes no pointers.
        let moved = unsafe {
            libc::lseek(directory.as_raw_fd(), libc::off_t::from(first) + 2, libc::SEEK_SET)
        };
        if moved < 0 {
            return false;
        }
    }
    loop {
        // SAFETY: the pointer and length describe `buffer`, which lives through the call.
        let length = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                directory.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        };
        let Ok(length) = usize::try_from(length) else { return false };
        if length == 0 {
            return true;
        }
        let mut rest = buffer.get(..length).unwrap_or_default();
        // struct linux_dirent64: inode, offset, record length at 16, type, name at 19.
        while let Some(record) = rest.get(16..18) {
            let size = usize::from(u16::from_ne_bytes([record[0], record[1]]));
            let Some(name) = rest.get(19..size) else { break };
            if let Some(fd) = number(name) {
                each(fd);
                if fd >= end {
                    return true;
                }
            }
            rest = rest.get(size..).unwrap_or_default();
        }
    }
}

/// Reads the decimal digits at the front of a NUL-terminated name.
fn number(name: &[u8]) -> Option<u32> {
    let name = CStr::from_bytes_until_nul(name).ok()?;
    name.to_str().ok()?.parse().ok()
}

/// The inode of the socket behind a descriptor; `None` if it is something else.
fn socket_inode(directory: &OwnedFd, fd: u32) -> Result<Option<u32>, i32> {
    let mut name = [0u8; 12];
    let mut digits = name.len() - 1;
    let mut rest = fd;
    loop {
        digits -= 1;
        name[digits] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut target = [0u8; 32];
    // SAFETY: `name` is NUL-terminated (its last byte is never written) and `target` is as long as
    // we say; both live through the call.
    let length = unsafe {
        libc::readlinkat(
            directory.as_raw_fd(),
            name[digits..].as_ptr().cast(),
            target.as_mut_ptr().cast(),
            target.len(),
        )
    };
    let Ok(length) = usize::try_from(length) else {
        return Err(nix::errno::Errno::last_raw());
    };
    Ok(inode_in(target.get(..length).unwrap_or_default()))
}

/// Reads `socket:[12345]`.
fn inode_in(target: &[u8]) -> Option<u32> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    fn inode(fd: &impl AsFd) -> u32 {
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        let link = std::fs::read_link(path).unwrap();
        inode_in(link.to_str().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn the_owner_of_our_own_socket_is_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = inode(&listener);
        let owners = Owners::of(&[inode], &[]).unwrap();
        assert_eq!(owners.pids(inode), [(inode, std::process::id())]);
        assert!(owners.pids(1).is_empty());
    }

    #[test]
    fn a_descriptor_beyond_the_first_look_is_found_too() {
        let all: Vec<TcpListener> =
            (0..200).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let inodes: Vec<u32> = all.iter().map(inode).collect();
        let one = Owners::of(&inodes[199..], &[]).unwrap();
        assert_eq!(one.pids(inodes[199]).len(), 1);
        let many = Owners::of(&inodes, &[]).unwrap();
        assert!(inodes.iter().all(|inode| many.pids(*inode).len() == 1));
        let (own, count) = sockets_of(std::process::id()).unwrap();
        assert!(inodes.iter().all(|inode| own.contains(inode)) && count >= 200);
        assert!(count_descriptors(std::process::id()).is_some_and(|count| count >= 200));
    }

    #[test]
    fn only_sockets_have_a_socket_inode() {
        assert_eq!(inode_in(b"socket:[4711]"), Some(4711));
        assert_eq!(inode_in(b"pipe:[4711]"), None);
        assert_eq!(inode_in(b"socket:[x]"), None);
    }
}
