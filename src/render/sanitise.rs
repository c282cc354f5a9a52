//! Makes text from elsewhere safe to print: names, banners and error texts are data, and a terminal
//! must never act on them.

use std::borrow::Cow;

/// Escapes everything that a terminal could act on or that could hide or reorder text.
///
/// Control characters (C0, DEL, C1), bidirectional controls, zero-width and other invisible format
/// characters and line separators become `\n`, `\t`, `\r` or `\u{…}`. All else stays as it is.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Escapes as [`line()`] does, but turns line ends into blanks: for sentences that an author may have
/// written over several lines.
pub fn prose(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.contains('\n') {
        Cow::Owned(line(&text.replace("\r\n", "\n").replace('\n', " ")).into_owned())
    } else {
        line(text)
    }
}

/// Escapes as [`line()`] does, but keeps line ends: for whole messages that we composed ourselves.
pub fn message(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) && !keep(c) {
            match c {
                '\n' | '\t' | '\r' => safe.extend(c.escape_default()),
                _ => safe.extend(c.escape_unicode()),
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Returns whether a terminal could act on the character, or a reader be misled by it.
///
/// The invisible ones are those of Unicode's category Cf and the line separators Zl and Zp; the
/// noncharacters (Unicode 23.7) count as well, which XML and YAML forbid.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(line("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(line("\u{9b}2J\u{7f}\0"), "\\u{9b}2J\\u{7f}\\u{0}");
        assert_eq!(line("a\r\nb\tc"), "a\\r\\nb\\tc");
    }

    #[test]
    fn text_that_runs_backwards_or_hides_becomes_visible() {
        assert_eq!(line("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
        assert_eq!(line("\u{2066}\u{feff}"), "\\u{2066}\\u{feff}");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["db.test", "bücher.example", "例え.テスト", "a\\b $(x)", ""] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn prose_loses_its_line_ends_and_messages_keep_them() {
        assert_eq!(prose("one\n two\r\nthree\n"), "one  two three");
        assert_eq!(message("one\n\u{1b}two"), "one\n\\u{1b}two");
    }

    proptest::proptest! {
        #[test]
        fn nothing_unsafe_survives(text in "\\PC{0,20}[\\x00-\\x9f\u{2028}-\u{202e}]{0,20}.{0,20}") {
            proptest::prop_assert!(!line(&text).chars().any(is_unsafe));
            proptest::prop_assert!(!prose(&text).chars().any(is_unsafe));
        }
    }
}
