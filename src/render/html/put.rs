//! Writing a piece of the page on a line of its own.

/// Adds a line; writing to a String cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($out, $($arg)*);
    }};
}
pub(in crate::render::html) use put;
