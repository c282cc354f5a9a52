//! What a page of HTML needs besides the escaping of `xml`: names for anchors, hashes of its parts.

use sha2::{Digest, Sha256};

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
    fn an_anchor_has_nothing_that_a_link_would_need_to_escape() {
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
