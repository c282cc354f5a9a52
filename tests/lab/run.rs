//! Running the product, or another command, on a host, as root or as nobody, with name service files
//! of its own.
#![allow(unsafe_code)]

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};

use crate::net::{Host, has_other_users};

/// As whom the product runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Root,
    Nobody,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// When the process was about to be made.
    #[allow(dead_code, reason = "read by the bench only")]
    pub(crate) started: SystemTime,
    /// From then to its end.
    pub(crate) wall: Duration,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where a system has its programs.
pub(crate) const SYSTEM: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A run that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// How to run the product, or another command.
pub(crate) struct Invocation<'a> {
    pub(crate) arguments: &'a [String],
    pub(crate) mode: Mode,
    /// Replacements of `/etc/NAME`.
    pub(crate) etc: &'a [(&'a str, PathBuf)],
    pub(crate) limits: Limits,
}

/// What the process has to do without.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// At most so many open files.
    pub(crate) open_files: Option<u64>,
    /// `/proc` is empty.
    pub(crate) no_proc: bool,
    /// What the kernel refuses with EPERM, as a tight sandbox would have it.
    pub(crate) forbidden: Option<Forbidden>,
}

/// What a sandbox forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// To open a netlink socket.
    Netlink,
    /// To connect any socket.
    Connect,
}

/// The product, somewhere that every user can reach.
pub(crate) fn product() -> &'static Path {
    static PRODUCT: OnceLock<PathBuf> = OnceLock::new();
    PRODUCT.get_or_init(|| {
        let built = std::env::var_os("TCPDOCTOR_LAB_BIN")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_tcpdoctor")), PathBuf::from);
        let reachable = built.ancestors().all(|part| {
            fs::metadata(part).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0)
        });
        if reachable {
            return built;
        }
        let copy = std::env::temp_dir().join(format!("tcpdoctor-lab-{}", std::process::id()));
        fs::copy(&built, &copy).expect("the temporary directory takes a copy");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("own file");
        copy
    })
}

/// Removes the copy that [`product`] may have made.
pub(crate) fn clean_up() {
    let copy = std::env::temp_dir().join(format!("tcpdoctor-lab-{}", std::process::id()));
    let _ = fs::remove_file(copy);
}

/// Runs the product on a host.
pub(crate) fn on(host: &Host, invocation: &Invocation<'_>) -> io::Result<Ran> {
    let command = match std::env::var("TCPDOCTOR_LAB_EXEC") {
        Ok(line) => {
            let mut shell = Command::new("/bin/sh");
            shell.env_clear();
            shell.args(["-c", &line]).env("LAB_TARGET", &invocation.arguments[1]);
            shell
        }
        Err(_) => {
            let mut command = Command::new(product());
            command.env_clear();
            command.args(invocation.arguments);
            command
        }
    };
    command_on(host, command, invocation)
}

/// Runs any command on a host, in the surroundings of an invocation; its arguments are the command's
/// own.
pub(crate) fn command_on(
    host: &Host,
    command: Command,
    invocation: &Invocation<'_>,
) -> io::Result<Ran> {
    in_surroundings(host, command, invocation, wait)
}

/// Makes a command ready for the surroundings of an invocation and does something with it there.
pub(crate) fn in_surroundings<T: Send>(
    host: &Host,
    mut command: Command,
    invocation: &Invocation<'_>,
    run: impl FnOnce(&mut Command) -> io::Result<T> + Send,
) -> io::Result<T> {
    host.enter(|| {
        private_files(invocation.etc, invocation.limits.no_proc)?;
        let (mode, limits) = (invocation.mode, invocation.limits);
        let other_users = has_other_users();
        // SAFETY: between fork and exec only system calls are made, no allocation and no lock.
        unsafe {
            command.pre_exec(move || {
                if mode == Mode::Nobody {
                    become_nobody(other_users)?;
                }
                if let Some(what) = limits.forbidden {
                    forbid(what)?;
                }
                if let Some(limit) = limits.open_files {
                    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                    if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        run(&mut command)
    })
}

/// Gives a command its environment.
pub(crate) fn surround(command: &mut Command) -> &mut Command {
    command
        .env("PATH", SYSTEM)
        // As under sudo and setpriv: root's home, which nobody else may look into.
        .env("HOME", "/proc/1/root")
        .env("LANG", "C.UTF-8")
        .env("RUST_BACKTRACE", "1")
        .current_dir("/")
}

/// Replays a report, in the caller's own namespaces.
pub(crate) fn replay(report: &Path, options: &[&str]) -> io::Result<Ran> {
    let mut command = Command::new(product());
    command.env_clear();
    command.arg("replay").arg(report).args(["--format", "json"]).args(options);
    wait(&mut command)
}

fn wait(command: &mut Command) -> io::Result<Ran> {
    surround(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (started, start) = (SystemTime::now(), Instant::now());
    let mut child = command.spawn()?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || slurp(out.as_mut()));
        let stderr = scope.spawn(move || slurp(err.as_mut()));
        // SAFETY: the child is ours and not yet waited for; the new descriptor is owned here only.
        let ended = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, child.id(), 0) as libc::c_int;
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let mut ready = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(PATIENCE).expect("fits");
        let in_time = poll(&mut ready, patience)? > 0;
        let wall = start.elapsed();
        if !in_time {
            child.kill()?;
        }
        let code = child.wait()?.code();
        let stderr = stderr.join().expect("no panic");
        let stdout = stdout.join().expect("no panic");
        Ok(Ran { code, started, wall, stdout, stderr })
    })
}

fn slurp(from: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Gives this thread, and what it starts, a view of its own of some files of `/etc`, and a `/sys`
/// that shows the interfaces of the host.
pub(crate) fn private_files(etc: &[(&str, PathBuf)], no_proc: bool) -> io::Result<()> {
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    for (name, file) in etc {
        let over = Path::new("/etc").join(name);
        if over.exists() {
            mount(Some(file), &over, none, MsFlags::MS_BIND, none)?;
        } else if *name != "nsswitch.conf" {
            return Err(io::Error::other(format!("{} is missing", over.display())));
        }
    }
    // Not permitted in some containers; nothing but /sys/class/net is lost then.
    let _ = nix::mount::umount2("/sys", nix::mount::MntFlags::MNT_DETACH);
    if mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).is_ok() {
        // Like the old one it has the control groups.
        let _ = mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), none);
    }
    if no_proc {
        mount(Some("tmpfs"), "/proc", Some("tmpfs"), MsFlags::empty(), none)?;
    }
    Ok(())
}

/// Makes a system call fail with EPERM for this process and what it executes.
fn forbid(what: Forbidden) -> io::Result<()> {
    let ret = (libc::BPF_RET | libc::BPF_K) as u16;
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let at_least = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let (number, condition, value) = match what {
        Forbidden::Netlink => (libc::SYS_socket, equal, libc::AF_NETLINK as u32),
        Forbidden::Connect => (libc::SYS_connect, at_least, 0),
    };
    // The offsets of struct seccomp_data: the number at 0, the low half of the first argument at 16.
    let mut program = [
        op(load, 0, 0, 0),
        op(equal, 0, 3, number as u32),
        op(load, 0, 0, if cfg!(target_endian = "little") { 16 } else { 20 }),
        op(condition, 0, 1, value),
        op(ret, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        op(ret, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter outlives the call that copies it into the kernel.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if set { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Drops every privilege; in a user namespace without other users only the capabilities can go.
fn become_nobody(other_users: bool) -> io::Result<()> {
    let check = |result: libc::c_int| match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: plain system calls on this process alone.
    unsafe {
        for capability in 0..64 {
            // Fails past the last capability that this kernel knows.
            if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 {
                break;
            }
        }
        if other_users {
            check(libc::syscall(libc::SYS_setgroups, 0, 0) as libc::c_int)?;
            check(libc::syscall(libc::SYS_setresgid, 65_534, 65_534, 65_534) as libc::c_int)?;
            check(libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534) as libc::c_int)?;
        }
    }
    Ok(())
}
