//! Text for XML 1.0 documents: markup and everything that the standard forbids made harmless.

use crate::render::sanitise;

/// Escapes text for an element or a quoted attribute; line ends become visible too.
pub(super) fn attribute(text: &str) -> String {
    escape(&sanitise::line(text))
}

/// Escapes text for an element; line ends stay.
pub(super) fn text(text: &str) -> String {
    escape(&sanitise::message(text))
}

/// `>` is escaped as well, so that `]]>` cannot occur (XML 1.0, 2.4).
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            c if is_char(c) => safe.push(c),
            c => safe.extend(c.escape_unicode()),
        }
    }
    safe
}

/// Returns whether XML 1.0 allows the character (2.2, production 2).
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_forbidden_characters_become_harmless() {
        assert_eq!(text("<a href='x'>&\"]]>"), "&lt;a href=&apos;x&apos;&gt;&amp;&quot;]]&gt;");
        assert_eq!(text("a\nb\u{0}\u{1b}[31m\u{fffe}"), "a\nb\\u{0}\\u{1b}[31m\\u{fffe}");
        assert_eq!(attribute("a\nb"), "a\\nb");
        assert_eq!(attribute("é日\u{1f600}"), "é日\u{1f600}");
    }
}
