//! Running the product on a host, as root or as nobody, with name service files of its own.
#![allow(unsafe_code)]

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};

use crate::expect::Ran;
use crate::net::{Host, has_other_users};

/// As whom the product runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Root,
    Nobody,
}

/// A run that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(40);

/// How to run the product.
pub(crate) struct Invocation<'a> {
    pub(crate) arguments: &'a [String],
    pub(crate) mode: Mode,
    /// Replacements of `/etc/NAME`.
    pub(crate) etc: &'a [(&'a str, PathBuf)],
    pub(crate) open_files: Option<u64>,
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
    host.enter(|| {
        private_files(invocation.etc)?;
        let mut command = match std::env::var("TCPDOCTOR_LAB_EXEC") {
            Ok(line) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &line]);
                shell
            }
            Err(_) => {
                let mut command = Command::new(product());
                command.args(invocation.arguments);
                command
            }
        };
        let (mode, open_files) = (invocation.mode, invocation.open_files);
        let other_users = has_other_users();
        // SAFETY: between fork and exec only system calls are made, no allocation and no lock.
        unsafe {
            command.pre_exec(move || {
                if mode == Mode::Nobody {
                    become_nobody(other_users)?;
                }
                if let Some(limit) = open_files {
                    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                    if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        wait(&mut command)
    })
}

/// Replays a report, in the caller's own namespaces.
pub(crate) fn replay(report: &Path) -> io::Result<Ran> {
    let mut command = Command::new(product());
    command.arg("replay").arg(report).args(["--format", "json"]);
    wait(&mut command)
}

fn wait(command: &mut Command) -> io::Result<Ran> {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/nonexistent")
        .env("LANG", "C.UTF-8")
        .env("RUST_BACKTRACE", "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
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
        let wall = started.elapsed();
        if !in_time {
            child.kill()?;
        }
        let code = child.wait()?.code();
        let stderr = stderr.join().expect("no panic");
        let stdout = stdout.join().expect("no panic");
        Ok(Ran { code, wall, stdout, stderr })
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
fn private_files(etc: &[(&str, PathBuf)]) -> io::Result<()> {
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
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none);
    Ok(())
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
