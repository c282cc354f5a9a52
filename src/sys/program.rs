//! Running one program: without a shell, with a time limit, its output bounded.
#![allow(clippy::disallowed_methods)] // the one place where a program is started
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use crate::model::outcome::Why;
use crate::sys::errno;

/// The most that is kept of each output, in bytes; more is read and dropped.
pub const MOST_OUTPUT: usize = 64 << 10;
/// How long what a program left behind may go on holding its outputs.
const GRACE: Duration = Duration::from_millis(200);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it, which we did not send.
    Killed(i32),
    /// The time limit ended it, and everything it had started.
    TimedOut,
    /// There is no such program.
    NotFound,
    /// It is there, and this user may not run it, or it is no program.
    NotExecutable,
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub ended: Ended,
    /// The beginning of what it wrote to stdout.
    pub stdout: Kept,
    /// The beginning of what it wrote to stderr.
    pub stderr: Kept,
}

/// The beginning of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// At most [`MOST_OUTPUT`] bytes.
    pub bytes: Vec<u8>,
    /// Whether there was more.
    pub cut: bool,
}

/// Kills a process group when it goes out of scope: also when the run is interrupted.
struct Group(Option<i32>);

impl Group {
    fn kill(&mut self) {
        if let Some(leader) = self.0.take() {
            // SAFETY: kill takes two numbers and no memory.
            unsafe { libc::kill(-leader, libc::SIGKILL) };
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program until it ends or `limit` has passed. It reads nothing (`/dev/null`), and it and
/// all that it starts are killed when time is up, when this process dies and when the future is dropped.
///
/// # Errors
///
/// Returns why it could not be started, unless that is for lack of a program.
pub async fn run(program: &str, args: &[String], limit: Duration) -> Result<Ran, Why> {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return not_started(&error),
    };
    let leader = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(leader.filter(|leader| *leader > 1));
    let (mut stdout, mut stderr) = (Kept::default(), Kept::default());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let status = {
        let mut reading = pin!(async {
            tokio::join!(keep(out, &mut stdout), keep(err, &mut stderr));
        });
        let mut read = false;
        let ended = timeout(limit, async {
            loop {
                tokio::select! {
                    status = child.wait() => break status,
                    () = &mut reading, if !read => read = true,
                }
            }
        });
        let ended = ended.await;
        if ended.is_err() {
            group.kill();
        }
        // What it started may hold its outputs open.
        if !read && timeout(GRACE, &mut reading).await.is_err() {
            group.kill();
            let _ = timeout(GRACE, &mut reading).await;
        }
        ended
    };
    // The leader is gone: its number may soon be another's.
    group.0 = None;
    let ended = match status {
        Err(_) => Ended::TimedOut,
        Ok(Ok(status)) => match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, signal) => Ended::Killed(signal.unwrap_or(0)),
        },
        Ok(Err(error)) => return Err(failed("waitpid()", &error)),
    };
    Ok(Ran { ended, stdout, stderr })
}

fn not_started(error: &io::Error) -> Result<Ran, Why> {
    let ended = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => Ended::NotFound,
        Some(libc::EACCES | libc::ENOEXEC | libc::EISDIR | libc::EPERM) => Ended::NotExecutable,
        Some(_) => return Err(failed("execve()", error)),
        // A zero byte cannot stand in an argument.
        None => return Err(Why::Unsupported { what: error.to_string() }),
    };
    Ok(Ran { ended, stdout: Kept::default(), stderr: Kept::default() })
}

fn failed(operation: &str, error: &io::Error) -> Why {
    Why::Failed { operation: operation.to_owned(), errno: errno::name(errno::of(error)) }
}

async fn keep(output: Option<impl AsyncRead + Unpin>, kept: &mut Kept) {
    let Some(mut output) = output else {
        return;
    };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        let room = MOST_OUTPUT - kept.bytes.len();
        kept.bytes.extend_from_slice(&buffer[..read.min(room)]);
        kept.cut |= read > room;
    }
}

/// For tests: between fork and exec, a child holds its parent's descriptors. Who starts one reads this,
/// and who counts the holders of a descriptor writes.
#[cfg(test)]
pub(crate) static FORKS: std::sync::RwLock<()> = std::sync::RwLock::new(());

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Ran {
        let _forks = FORKS.read().expect("no panic");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let args = ["-c".to_owned(), script.to_owned()];
        runtime.expect("a runtime").block_on(run("/bin/sh", &args, limit)).expect("it starts")
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn code_signal_and_both_outputs_are_told_apart() {
        let ran = sh("echo out; echo err >&2; exit 3", LONG);
        assert_eq!(ran.ended, Ended::Exited(3));
        assert_eq!(
            (ran.stdout.bytes.as_slice(), ran.stderr.bytes.as_slice()),
            (&b"out\n"[..], &b"err\n"[..])
        );
        assert_eq!(sh("kill -TERM $$", LONG).ended, Ended::Killed(libc::SIGTERM));
    }

    #[test]
    fn a_flood_of_output_is_cut_and_does_not_block_the_program() {
        let ran = sh("head -c 1000000 /dev/zero; exit 5", LONG);
        assert_eq!(ran.ended, Ended::Exited(5));
        assert!(ran.stdout.cut && ran.stdout.bytes.len() == MOST_OUTPUT);
    }

    #[test]
    fn when_time_is_up_the_whole_group_is_killed() {
        // Time enough for the number to be printed on a busy machine.
        let ran = sh("sleep 1000 & echo $!; wait", Duration::from_secs(3));
        assert_eq!(ran.ended, Ended::TimedOut);
        let pid: i32 = String::from_utf8_lossy(&ran.stdout.bytes).trim().parse().expect("a pid");
        // Gone, or a zombie that nobody has collected; the signal takes a moment.
        let end = crate::sys::clock::now() + LONG;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                break;
            }
            assert!(crate::sys::clock::now() < end, "{stat}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_that_left_something_behind_still_ends() {
        let ran = sh("sleep 1000 & echo done", LONG);
        assert_eq!((ran.ended, ran.stdout.bytes.as_slice()), (Ended::Exited(0), &b"done\n"[..]));
    }

    #[test]
    fn no_program_and_no_permission_are_something_seen() {
        let _forks = FORKS.read().expect("no panic");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let ended = |program: &str| runtime.block_on(run(program, &[], LONG)).map(|ran| ran.ended);
        assert_eq!(ended("/nonexistent/tool"), Ok(Ended::NotFound));
        assert_eq!(ended("/etc/passwd"), Ok(Ended::NotExecutable));
        assert!(matches!(ended("a\0b"), Err(Why::Unsupported { .. })));
    }
}
