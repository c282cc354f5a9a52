//! Symbolic names of error numbers.

use nix::errno::Errno;

/// Names an error number, for example `ECONNREFUSED`; an unknown one becomes `errno 4711`.
pub fn name(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("errno {errno}"),
        known => format!("{known:?}"),
    }
}

/// Returns the error number of an I/O error, or `EIO` when it carries none.
pub fn of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_numbers_have_names() {
        assert_eq!(name(libc::ECONNREFUSED), "ECONNREFUSED");
        assert_eq!(name(libc::EAGAIN), "EAGAIN");
        assert_eq!(name(99_999), "errno 99999");
    }
}
