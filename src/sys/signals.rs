//! What this process does about the signals that ask it to end.
#![allow(unsafe_code)]

use std::mem::zeroed;
use std::ptr::null_mut;

/// Returns whether a signal is ignored, as `nohup` and shells arrange it for their children: then it
/// stays so.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: a sigaction of zeros is valid, and without a new action the kernel only fills it in.
    let (answer, old) = unsafe {
        let mut old: libc::sigaction = zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut old), old)
    };
    answer == 0 && old.sa_sigaction == libc::SIG_IGN
}

/// Lets a signal end this process again, as it does before anyone asks otherwise.
pub fn restore_default(signal: i32) {
    // SAFETY: the default action runs no code of ours; zeros are an empty mask and no flags.
    unsafe {
        let mut default: libc::sigaction = zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_told_from_one_that_ends_the_process() {
        // Rust's runtime ignores SIGPIPE.
        assert!(is_ignored(libc::SIGPIPE));
        assert!(!is_ignored(libc::SIGWINCH));
        assert!(!is_ignored(-1));
    }
}
