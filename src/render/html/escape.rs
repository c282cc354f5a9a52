//! Text into HTML: every string from elsewhere passes here once.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::render::sanitise;

/// Escapes a line of text for element content and for attributes in double quotes. What could hide or
/// reorder text is made visible, line ends become blanks.
pub(super) fn text(text: &str) -> String {
    entities(&sanitise::prose(text))
}

/// The same for text whose lines count.
pub(super) fn lines(text: &str) -> String {
    entities(&sanitise::message(text))
}

/// Escapes a command: blanks and everything else stay as they are.
pub(super) fn command(text: &str) -> String {
    entities(&sanitise::line(text.trim()))
}

fn entities(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // No parser is to see a noncharacter (HTML, "noncharacter-in-input-stream").
            c if is_noncharacter(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            _ => safe.push(c),
        }
    }
    safe
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// Returns a name for use in `id` and in links: letters, digits, `_` and `-` of the text.
pub(super) fn id(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    text.chars().take(80).map(plain).collect()
}

/// Returns the source expression by which a Content-Security-Policy allows exactly this text
/// (CSP 3, section 2.3.1).
pub(super) fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain([&0, &0]).take(3);
        let bits = group.fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) & 63;
            let padding = digit > chunk.len();
            text.push(if padding { '=' } else { char::from(DIGITS[six as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_what_hides_text_become_visible() {
        assert_eq!(text("<b a=\"'\">&\n"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
        assert_eq!(text("a\u{1b}[2J\u{202e}b"), "a\\u{1b}[2J\\u{202e}b");
        assert_eq!(lines("a\n<\r"), "a\n&lt;\\r");
        assert_eq!(text("\u{fdd0}\u{1ffff}"), "\\u{fdd0}\\u{1ffff}");
        assert_eq!(id("../x y\"é"), "---x-y--");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
