//! Which processes hold a socket: one bounded scan of `/proc/*/fd`.
//!
//! Without privilege only the descriptors of our own processes are readable. What was not found is
//! therefore hidden, never proven to have no owner.
#![allow(unsafe_code, clippy::disallowed_methods)]

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::model::outcome::Why;
use crate::sys::batch::Batch;
use crate::sys::errno;

/// Descriptors of one process that are looked at in one go.
const CHUNK: u32 = 2048;
/// The first look: a listener is nearly always among the first descriptors of its process.
const FIRST: u32 = 128;
/// Few sockets: it pays to look at the first descriptors of all processes before all of any.
const FEW: usize = 64;
/// Threads at most.
const THREADS: usize = 4;

type Scanned = Result<Arc<Owners>, Why>;

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
    pub fn of(inodes: &[u32], besides: &[u32]) -> Result<Arc<Owners>, Why> {
        static TOGETHER: Batch<(Vec<u32>, Vec<u32>), Scanned> = Batch::new();
        let asked = TOGETHER.ask(&(inodes.to_vec(), besides.to_vec()), |asked| {
            let (inodes, besides): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
            Owners::scanned(&inodes.concat(), &besides.concat()).map(Arc::new)
        });
        Result::clone(&asked)
    }

    fn scanned(inodes: &[u32], besides: &[u32]) -> Result<Owners, Why> {
        let few = inodes.len() <= FEW;
        let mut wanted: Vec<u32> =
            inodes.iter().chain(besides).copied().filter(|inode| *inode != 0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(Owners::default());
        }
        let processes = visible()?;
        if few {
            let (_, found) = Scan::new(Some(&wanted), &processes, FIRST).run(|| ());
            if inodes.iter().all(|inode| *inode == 0 || !found.pids(*inode).is_empty()) {
                return Ok(found);
            }
        }
        Ok(Scan::new(Some(&wanted), &processes, u32::MAX).run(|| ()).1)
    }

    /// Looks for the holders of all sockets, while `work` is done.
    ///
    /// # Errors
    ///
    /// Returns why `/proc` could not be listed.
    pub fn of_all<T>(work: impl FnOnce() -> T) -> Result<(T, Owners), Why> {
        Ok(Scan::new(None, &visible()?, u32::MAX).run(work))
    }

    /// The processes that hold this socket, lowest first; empty when none was seen.
    pub fn pids(&self, inode: u32) -> &[(u32, u32)] {
        let start = self.held.partition_point(|(held, _)| *held < inode);
        let rest = &self.held[start..];
        &rest[..rest.iter().take_while(|(held, _)| *held == inode).count()]
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

/// As [`processes`]; none where there is no `/proc`: sockets are listed without it, and their holders
/// are hidden then.
fn visible() -> Result<Vec<u32>, Why> {
    match processes() {
        Err(Why::Unsupported { .. }) => Ok(Vec::new()),
        Err(Why::Failed { errno, .. }) if errno == "ENOENT" => Ok(Vec::new()),
        found => found,
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

/// Counts the descriptors of a process; `None` when it is gone, and before Linux 6.2 where they may
/// not be listed.
pub fn count_descriptors(pid: u32) -> Option<u32> {
    match told_count(pid)? {
        0 => {
            let mut count = 0;
            list(&open(pid)?, 0, u32::MAX, &mut vec![0; BUFFER], |_| count += 1).then_some(count)
        }
        count => Some(count),
    }
}

/// Since Linux 6.2 the size of the directory is the number of its entries, told to everybody; 0
/// before.
fn told_count(pid: u32) -> Option<u32> {
    u32::try_from(std::fs::metadata(format!("/proc/{pid}/fd")).ok()?.len()).ok()
}

/// A part of the descriptors of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    pid: u32,
    first: u32,
    end: u32,
    /// Whether there certainly are descriptors behind this part. Then its numbers are tried one by
    /// one, which spares the listing; most of them exist, for the kernel hands out the lowest.
    more: bool,
}

/// Cuts the descriptors below `limit` of a process into parts: `count` descriptors reach beyond
/// the first `count` numbers, or fill them.
fn parts(pid: u32, count: u32, limit: u32, all: &mut Vec<Part>) {
    let mut first = 0;
    if count > limit {
        return all.push(Part { pid, first, end: limit, more: true });
    }
    while count.saturating_sub(first) > CHUNK {
        let end = first + CHUNK;
        all.push(Part { pid, first, end, more: true });
        first = end;
    }
    all.push(Part { pid, first, end: limit, more: false });
}

/// A scan of many processes that several threads work on.
#[derive(Debug)]
struct Scan<'a> {
    /// The sockets looked for, in order; `None` is all.
    wanted: Option<&'a [u32]>,
    parts: Vec<Part>,
    next: AtomicUsize,
    denied: AtomicU32,
}

impl<'a> Scan<'a> {
    fn new(wanted: Option<&'a [u32]>, processes: &[u32], limit: u32) -> Scan<'a> {
        let mut all = Vec::with_capacity(processes.len());
        for pid in processes {
            if let Some(count) = told_count(*pid) {
                parts(*pid, count, limit, &mut all);
            }
        }
        // The largest first, so that no thread ends long after the others.
        all.sort_by_key(|part| !part.more);
        Scan { wanted, parts: all, next: AtomicUsize::new(0), denied: AtomicU32::new(0) }
    }

    /// Looks at parts until none is left.
    fn work(&self) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        let mut buffer = vec![0; BUFFER];
        while let Some(part) = self.parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if !self.look(part, &mut buffer, &mut found) && part.first == 0 {
                self.denied.fetch_add(1, Ordering::Relaxed);
            }
        }
        found
    }

    /// Looks at one part; false when its descriptors may not be read.
    fn look(&self, part: &Part, buffer: &mut [u8], found: &mut Vec<(u32, u32)>) -> bool {
        let Some(directory) = open(part.pid) else {
            return !exists(part.pid);
        };
        let mut denied = false;
        let mut try_one = |fd| match socket_inode(&directory, fd) {
            Ok(Some(inode)) if self.wants(inode) => found.push((inode, part.pid)),
            Ok(_) => {}
            Err(number) => denied |= number == libc::EACCES,
        };
        if part.more {
            (part.first..part.end).for_each(try_one);
            return !denied;
        }
        let listed = list(&directory, part.first, part.end, buffer, |fd| {
            if fd < part.end {
                try_one(fd);
            }
        });
        (listed && !denied) || !exists(part.pid)
    }

    fn wants(&self, inode: u32) -> bool {
        self.wanted.is_none_or(|wanted| wanted.binary_search(&inode).is_ok())
    }

    /// Works on several threads, this one included, which does something else before.
    fn run<T>(self, before: impl FnOnce() -> T) -> (T, Owners) {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
        let others = threads.min(THREADS).min(self.parts.len()).saturating_sub(1);
        let (result, mut held) = std::thread::scope(|scope| {
            let others: Vec<_> = (0..others).map(|_| scope.spawn(|| self.work())).collect();
            let result = before();
            let mut all = self.work();
            for other in others {
                all.extend(other.join().unwrap_or_default());
            }
            (result, all)
        });
        held.sort_unstable();
        held.dedup();
        (result, Owners { held, denied: self.denied.into_inner() })
    }
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
    use crate::sys::program::FORKS;

    fn inode(fd: &impl AsFd) -> u32 {
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        let link = std::fs::read_link(path).unwrap();
        inode_in(link.to_str().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn the_owner_of_our_own_socket_is_this_process() {
        let _alone = FORKS.write().expect("no panic");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = inode(&listener);
        let owners = Owners::of(&[inode], &[]).unwrap();
        assert_eq!(owners.pids(inode), [(inode, std::process::id())]);
        assert!(owners.pids(1).is_empty());
    }

    #[test]
    fn a_descriptor_beyond_the_first_look_is_found_too() {
        let _alone = FORKS.write().expect("no panic");
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
    fn the_parts_of_a_process_cover_every_descriptor_once() {
        for (count, limit) in
            [(0, u32::MAX), (5, 128), (2048, u32::MAX), (50_000, u32::MAX), (50_000, 128)]
        {
            let mut all = Vec::new();
            parts(7, count, limit, &mut all);
            assert_eq!(all[0].first, 0);
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].first && pair[0].more));
            let last = all.last().unwrap();
            assert_eq!((last.end, last.more), (limit, count > limit));
            // Only numbers below the count are tried one by one.
            assert!(all.iter().all(|part| !part.more || part.end < count));
        }
    }

    #[test]
    fn all_sockets_are_found_beside_other_work() {
        let _alone = FORKS.write().expect("no panic");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (answer, owners) = Owners::of_all(|| 42).unwrap();
        assert_eq!((answer, owners.pids(inode(&listener)).len()), (42, 1));
    }

    #[test]
    fn only_sockets_have_a_socket_inode() {
        assert_eq!(inode_in(b"socket:[4711]"), Some(4711));
        assert_eq!(inode_in(b"pipe:[4711]"), None);
        assert_eq!(inode_in(b"socket:[x]"), None);
    }
}
