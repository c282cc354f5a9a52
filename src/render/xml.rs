//! Text for XML 1.0 documents and for HTML: markup, and every character that one of the standards
//! forbids, made harmless.

use crate::render::sanitise;

/// Escapes text for an element or a quoted attribute; line ends become visible too.
pub(in crate::render) fn attribute(text: &str) -> String {
    escape(&sanitise::line(text))
}

/// Escapes text for an element; line ends stay.
pub(in crate::render) fn text(text: &str) -> String {
    escape(&sanitise::message(text))
}

/// Escapes one line of prose for an element or a quoted attribute; line ends become blanks.
pub(in crate::render) fn prose(text: &str) -> String {
    escape(&sanitise::prose(text))
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
            '\'' => safe.push_str("&#39;"),
            c if is_char(c) => safe.push(c),
            c => safe.extend(c.escape_unicode()),
        }
    }
    safe
}

/// Returns whether XML 1.0 allows the character (2.2, production 2) and HTML does not call it an error
/// (noncharacter-in-input-stream).
fn is_char(c: char) -> bool {
    let code = u32::from(c);
    let noncharacter = (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe;
    !noncharacter && matches!(c, '\t' | '\n' | '\r' | '\u{20}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_forbidden_characters_become_harmless() {
        assert_eq!(text("<a href='x'>&\"]]>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;]]&gt;");
        assert_eq!(text("a\nb\u{0}\u{1b}[31m\u{fffe}"), "a\nb\\u{0}\\u{1b}[31m\\u{fffe}");
        assert_eq!(attribute("a\nb"), "a\\nb");
        assert_eq!(attribute("é日\u{1f600}"), "é日\u{1f600}");
        assert_eq!(prose("<b a=\"'\">&\n"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
        assert_eq!(prose("a\u{1b}[2J\u{202e}b"), "a\\u{1b}[2J\\u{202e}b");
        assert_eq!(prose("\u{fdd0}\u{1ffff}"), "\\u{fdd0}\\u{1ffff}");
    }
}
