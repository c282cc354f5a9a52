//! Hosts and the cables between them.
//!
//! A host is a network namespace that only a file descriptor of this process keeps alive: nothing is
//! named, so nothing is left behind, and the initial namespace never changes. Whatever has to happen
//! on a host happens in a thread that has entered it.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

/// Where `ip` and `nft` live when the caller's PATH is that of an unprivileged user.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Every interface gets an index of its own. Two veth ends with the same index in two namespaces look
/// to the kernel like one that is its own peer, and its carrier is then reported up to a second late.
static NEXT_INDEX: AtomicU32 = AtomicU32::new(100);

/// Becomes root of a user namespace when not root already.
///
/// Must run while the process has one thread.
pub(crate) fn become_root() -> Result<(), String> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if uid.is_root() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|e| format!("no user namespace: {e}"))?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(file, text).map_err(|e| format!("no user namespace: {file}: {e}"))?;
    }
    Ok(())
}

/// Whether this process is root outside of any user namespace of its own, so that other user ids
/// exist.
pub(crate) fn has_other_users() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
        map.lines().any(|line| {
            let words: Vec<u64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
            matches!(words[..], [from, _, count] if from <= 65534 && 65534 < from + count)
        })
    })
}

/// Enters a namespace with the calling thread, for good.
pub(crate) fn join(namespace: &OwnedFd) {
    setns(namespace, CloneFlags::CLONE_NEWNET).expect("own namespace");
}

/// A host: a network namespace.
pub(crate) struct Host {
    pub(crate) name: &'static str,
    namespace: OwnedFd,
}

impl Host {
    /// Makes a namespace with only loopback up and without reverse path filter, duplicate address
    /// detection or router discovery, so that it is ready at once and silent.
    pub(crate) fn new(name: &'static str) -> io::Result<Host> {
        let namespace: OwnedFd = std::thread::scope(|scope| {
            let made = scope.spawn(|| -> io::Result<OwnedFd> {
                unshare(CloneFlags::CLONE_NEWNET)?;
                Ok(File::open("/proc/thread-self/ns/net")?.into())
            });
            made.join().expect("the thread does not panic")
        })?;
        let host = Host { name, namespace };
        for (key, value) in [
            ("net/ipv6/conf/all/accept_dad", "0"),
            ("net/ipv6/conf/default/accept_dad", "0"),
            ("net/ipv6/conf/default/accept_ra", "0"),
            ("net/ipv6/conf/default/router_solicitations", "0"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
        ] {
            host.sysctl(key, value)?;
        }
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Runs a piece of work in a thread on this host.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                join(&self.namespace);
                work()
            });
            match entered.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The namespace, for a thread that is to [`join`] it.
    pub(crate) fn namespace(&self) -> io::Result<OwnedFd> {
        self.namespace.try_clone()
    }

    /// What a line of shell says on this host; nothing when it fails.
    pub(crate) fn output(&self, line: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.shell(line)?.stdout).into_owned())
    }

    /// Runs a line of the shell; an error holds what it complained of.
    pub(crate) fn run(&self, line: &str) -> io::Result<()> {
        let output = self.shell(line)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{line}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
        }
    }

    fn shell(&self, line: &str) -> io::Result<Output> {
        self.enter(|| {
            Command::new("/bin/sh")
                .args(["-c", line])
                .env("PATH", PATH)
                .stdin(Stdio::null())
                .output()
        })
    }

    /// The namespace as a path that `ip link … netns PATH` takes.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    /// Runs lines of `ip -batch`.
    pub(crate) fn ip(&self, lines: &str) -> io::Result<()> {
        self.feed(&["ip", "-batch", "-"], lines)
    }

    /// Runs lines of `ip -6 -batch`, for lines that name no address.
    pub(crate) fn ip6(&self, lines: &str) -> io::Result<()> {
        self.feed(&["ip", "-6", "-batch", "-"], lines)
    }

    /// Loads nftables rules. nft wants a chain's end on a line of its own; a scenario need not.
    pub(crate) fn nft(&self, rules: &str) -> io::Result<()> {
        let rules = rules.replace("; } }", ";\n}\n}\n").replace("; }", ";\n}\n");
        self.feed(&["nft", "-f", "-"], &rules)
    }

    /// Writes a kernel setting of this namespace; the key is a path under `/proc/sys`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) -> io::Result<()> {
        self.enter(|| fs::write(format!("/proc/sys/{key}"), value))
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {key}={value}: {e}", self.name)))
    }

    fn feed(&self, command: &[&str], input: &str) -> io::Result<()> {
        let failed = |text: String| {
            io::Error::other(format!("{}: {}: {text}\n{input}", self.name, command.join(" ")))
        };
        let output = self.enter(|| -> io::Result<_> {
            let mut child = Command::new(command[0])
                .args(&command[1..])
                .env("PATH", PATH)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            child.stdin.take().expect("piped").write_all(input.as_bytes())?;
            child.wait_with_output()
        });
        let output = output.map_err(|e| failed(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Lets the kernel finish checksums and segmentation before a frame leaves each interface, so
    /// that frames on the cables have the size and the content that they would have on real ones.
    fn without_offloads(&self, interfaces: &[&str]) -> io::Result<()> {
        self.enter(|| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
            for interface in interfaces {
                let mut value = EthtoolValue { command: ETHTOOL_STXCSUM, data: 0 };
                let mut request = interface_request(interface);
                request.ifr_ifru.ifru_data = (&raw mut value).cast();
                // SAFETY: the request and the value it points to outlive the call.
                if unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) }
                    < 0
                {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        })
    }

    /// Waits until each interface runs: only then does it carry packets.
    fn wait_running(&self, interfaces: &[&str]) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        self.enter(|| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
            for interface in interfaces {
                loop {
                    let mut request = interface_request(interface);
                    // SAFETY: SIOCGIFFLAGS reads the name and fills the flags of this request.
                    let flags = unsafe {
                        if libc::ioctl(
                            socket.as_raw_fd(),
                            libc::SIOCGIFFLAGS as _,
                            &raw mut request,
                        ) < 0
                        {
                            return Err(io::Error::last_os_error());
                        }
                        request.ifr_ifru.ifru_flags
                    };
                    if i32::from(flags) & libc::IFF_RUNNING != 0 {
                        break;
                    }
                    if Instant::now() > deadline {
                        return Err(io::Error::other(format!("{interface} does not come up")));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Ok(())
        })
    }
}

const SIOCETHTOOL: u32 = 0x8946;
const ETHTOOL_STXCSUM: u32 = 0x17;

#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: all zeros is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(15)) {
        *to = from as libc::c_char;
    }
    request
}

/// A plan of interfaces, addresses and routes; [`Plan::build`] lays it out with few processes.
#[derive(Default)]
pub(crate) struct Plan {
    /// For each host: the lines that make links, and those that configure.
    lines: Vec<(String, String)>,
    interfaces: Vec<Vec<String>>,
    names: Vec<&'static str>,
}

impl Plan {
    pub(crate) fn host(&mut self, name: &'static str) {
        self.names.push(name);
        self.lines.push(Default::default());
        self.interfaces.push(Vec::new());
    }

    fn at(&mut self, host: &str) -> usize {
        self.names.iter().position(|name| *name == host).expect("a host of the plan")
    }

    /// A cable: `[host, interface, addresses separated by blanks]` for both ends.
    pub(crate) fn cable(&mut self, left: [&str; 3], right: [&str; 3]) {
        let index = NEXT_INDEX.fetch_add(2, Ordering::Relaxed);
        let (a, b) = (self.at(left[0]), self.at(right[0]));
        let peer = format!("\u{0}{b}\u{0}");
        self.lines[a].0.push_str(&format!(
            "link add {} index {index} type veth peer name {} index {} netns {peer}\n",
            left[1],
            right[1],
            index + 1
        ));
        for (at, [_, interface, addresses]) in [(a, left), (b, right)] {
            self.lines[at].1.push_str(&format!("link set {interface} up\n"));
            for address in addresses.split_whitespace() {
                let nodad = if address.contains(':') { " nodad" } else { "" };
                self.lines[at].1.push_str(&format!("addr add {address} dev {interface}{nodad}\n"));
            }
            self.interfaces[at].push(interface.to_owned());
        }
    }

    /// More lines of `ip -batch` for a host, after its cables.
    pub(crate) fn ip(&mut self, host: &str, lines: &str) {
        let at = self.at(host);
        self.lines[at].1.push_str(lines);
        self.lines[at].1.push('\n');
    }

    /// Makes it all and waits until every cable carries packets.
    pub(crate) fn build(self) -> io::Result<Vec<Host>> {
        let hosts: Vec<Host> =
            self.names.iter().map(|name| Host::new(name)).collect::<io::Result<_>>()?;
        for (host, (links, _)) in hosts.iter().zip(&self.lines) {
            if links.is_empty() {
                continue;
            }
            let mut links = links.clone();
            for (at, peer) in hosts.iter().enumerate() {
                links = links.replace(&format!("\u{0}{at}\u{0}"), &peer.path());
            }
            host.ip(&links)?;
        }
        for (host, (_, configuration)) in hosts.iter().zip(&self.lines) {
            host.ip(configuration)?;
        }
        for (host, interfaces) in hosts.iter().zip(&self.interfaces) {
            let interfaces: Vec<&str> = interfaces.iter().map(String::as_str).collect();
            host.without_offloads(&interfaces)?;
            host.wait_running(&interfaces)?;
        }
        Ok(hosts)
    }
}

/// Makes a host forward packets.
pub(crate) fn forward(host: &Host) -> io::Result<()> {
    host.sysctl("net/ipv4/ip_forward", "1")?;
    host.sysctl("net/ipv6/conf/all/forwarding", "1")
}
