//! The async runtime of one command, and the signals that end it.

use std::cell::Cell;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::terminal;
use crate::sys::signals;

/// What the runtime opens for itself: epoll, its waker, a socket pair for signals and a copy of one
/// end.
const DESCRIPTORS: usize = 6;

/// Runs a future to its end on one thread.
///
/// Threads that still wait in a system call (a name lookup) are left behind. `None` when the runtime
/// cannot start; the user has been told.
pub(super) fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = descriptors_left()
        .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(future);
            runtime.shutdown_background();
            Some(result)
        }
        Err(error) => {
            terminal::complain(&not_started(&error));
            None
        }
    }
}

/// Tries whether enough file descriptors are left: tokio panics where its first ones are refused.
fn descriptors_left() -> io::Result<()> {
    let mut held = Vec::with_capacity(DESCRIPTORS);
    for _ in 0..DESCRIPTORS {
        held.push(File::open("/dev/null").or_else(|error| {
            // Only a limit counts; a system without /dev/null may still have descriptors.
            match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE) => Err(error),
                _ => Ok(io::stdin().as_fd().try_clone_to_owned()?.into()),
            }
        })?);
    }
    Ok(())
}

fn not_started(error: &io::Error) -> String {
    let limit = match error.raw_os_error() {
        Some(libc::EMFILE) => {
            ": this process may not open enough files (RLIMIT_NOFILE)\n  help: raise it: ulimit -n 256"
        }
        Some(libc::ENFILE) => {
            ": the system has no file descriptor left (fs.file-max)\n  help: see what holds them: \
             cat /proc/sys/fs/file-nr"
        }
        _ => "",
    };
    format!("inconclusive: cannot start, nothing was sent: {error}{limit}")
}

/// The signals that end a run early. SIGHUP comes when the terminal goes away.
const ENDING: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Waits for SIGINT, SIGTERM or SIGHUP and notes which; for ever where signals cannot be watched. One
/// that was ignored from the start (`nohup`) stays ignored. A second one ends the process at once.
pub(super) async fn interrupt(noted: &Cell<Option<u8>>) {
    let watched = ENDING.iter().filter(|number| !signals::is_ignored(**number));
    let mut watched: FuturesUnordered<_> = watched
        .filter_map(|number| Some((*number, signal(SignalKind::from_raw(*number)).ok()?)))
        .map(|(number, mut signal)| async move { signal.recv().await.map(|()| number) })
        .collect();
    let Some(Some(number)) = watched.next().await else {
        return std::future::pending().await;
    };
    for number in ENDING.iter().filter(|number| !signals::is_ignored(**number)) {
        signals::restore_default(*number);
    }
    noted.set(u8::try_from(number).ok());
}
