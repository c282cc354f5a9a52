//! Text that is pasted or typed over several lines: what comes from the terminal, read byte by byte.

use crate::model::server_report::{self, MOST_TEXT, Progress};

/// What a terminal sends before and after pasted text that it marks as such (xterm, mode 2004).
const BEGIN: &[u8] = b"\x1b[200~";
const END: &[u8] = b"\x1b[201~";
/// Asks a terminal to mark pasted text, and not to.
pub(super) const MARK: &str = "\u{1b}[?2004h";
pub(super) const UNMARK: &str = "\u{1b}[?2004l";

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fed {
    /// More may come.
    More,
    /// It is whole, or the user ended it.
    Done,
    /// The user wants none of it.
    Cancelled,
}

/// Text under way.
#[derive(Debug, Default)]
pub(super) struct Paste {
    text: Vec<u8>,
    /// Inside marked text.
    marked: bool,
    /// Marked text has come, so that the next line end is the user's.
    was_marked: bool,
}

impl Paste {
    /// Takes what the terminal sent; a whole escape sequence comes at once.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut rest = bytes;
        while let [first, after @ ..] = rest {
            if let Some(after) = rest.strip_prefix(BEGIN) {
                (self.marked, rest) = (true, after);
                continue;
            }
            if let Some(after) = rest.strip_prefix(END) {
                (self.marked, self.was_marked, rest) = (false, true, after);
                if self.is_whole() {
                    return Fed::Done;
                }
                continue;
            }
            rest = after;
            match first {
                b'\r' | b'\n' if self.marked => self.text.push(b'\n'),
                b'\r' | b'\n' => {
                    let line_empty = self.text.last().is_none_or(|last| *last == b'\n');
                    if self.was_marked || line_empty || self.is_whole() {
                        return Fed::Done;
                    }
                    self.text.push(b'\n');
                }
                // Ctrl-D.
                0x04 if !self.marked => return Fed::Done,
                0x1b if !self.marked && rest.is_empty() => return Fed::Cancelled,
                // Some other key: the sequence is skipped.
                0x1b if !self.marked => {
                    let end = rest.iter().skip(1).position(|byte| (0x40..0x7f).contains(byte));
                    rest = &rest[end.map_or(rest.len(), |end| end + 2)..];
                }
                0x7f | 0x08 if !self.marked => {
                    self.text.pop();
                }
                // Ctrl-U.
                0x15 if !self.marked => self.text.clear(),
                byte => self.text.push(*byte),
            }
            if self.text.len() > MOST_TEXT {
                return Fed::Done;
            }
        }
        if self.is_whole() && !self.marked { Fed::Done } else { Fed::More }
    }

    /// Takes a line of a terminal that edits its lines itself.
    pub(super) fn line(&mut self, line: &str) -> Fed {
        if line.trim().is_empty() {
            return Fed::Done;
        }
        let line = line.replace("\u{1b}[200~", "").replace("\u{1b}[201~", "");
        self.text.extend(line.as_bytes());
        self.text.push(b'\n');
        if self.is_whole() || self.text.len() > MOST_TEXT { Fed::Done } else { Fed::More }
    }

    /// Returns the characters so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns the text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    fn is_whole(&self) -> bool {
        server_report::progress(&self.text()) == Progress::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any payload makes a whole text: the checksum is looked at later.
    const CODE: &str = "tcpdoctor1.abcdefgh.0123456789ab";

    fn fed(chunks: &[&str]) -> (Fed, String) {
        let mut paste = Paste::default();
        let mut last = Fed::More;
        for chunk in chunks {
            assert_eq!(last, Fed::More, "it had ended before {chunk:?}");
            last = paste.feed(chunk.as_bytes());
        }
        (last, paste.text())
    }

    #[test]
    fn a_marked_paste_of_several_lines_ends_by_itself() {
        let (fed, text) = fed(&["\u{1b}[200~tcpdoctor1.abcd\refgh.01", "23456789ab\u{1b}[201~"]);
        assert_eq!((fed, text.as_str()), (Fed::Done, "tcpdoctor1.abcd\nefgh.0123456789ab"));
    }

    #[test]
    fn an_unmarked_paste_ends_with_its_checksum() {
        let (fed, text) = fed(&["tcpdoctor1.abcd\r", "efgh.0123456789", "ab"]);
        assert_eq!((fed, text.as_str()), (Fed::Done, "tcpdoctor1.abcd\nefgh.0123456789ab"));
    }

    #[test]
    fn a_truncated_paste_ends_with_enter() {
        assert_eq!(fed(&["\u{1b}[200~tcpdoctor1.abcd\u{1b}[201~", "\r"]).0, Fed::Done);
        assert_eq!(fed(&["tcpdoctor1.abcd\r", "\r"]).0, Fed::Done);
        assert_eq!(fed(&["\r"]).0, Fed::Done);
        assert_eq!(fed(&["tcpdoctor1.abcd\u{4}"]).0, Fed::Done);
    }

    #[test]
    fn escape_goes_back_and_other_keys_mean_nothing() {
        assert_eq!(fed(&["\u{1b}"]).0, Fed::Cancelled);
        assert_eq!(fed(&["ab\u{1b}[Ac\u{7f}d"]), (Fed::More, "abd".to_owned()));
        assert_eq!(fed(&["ab\u{15}x"]), (Fed::More, "x".to_owned()));
    }

    #[test]
    fn what_is_far_too_long_ends() {
        let mut paste = Paste::default();
        assert_eq!(paste.feed(&vec![b'a'; MOST_TEXT * 2]), Fed::Done);
        assert!(paste.len() <= MOST_TEXT + 1);
        let mut paste = Paste::default();
        assert_eq!(paste.line(&"a".repeat(MOST_TEXT * 2)), Fed::Done);
    }

    #[test]
    fn lines_of_a_terminal_that_edits_them_end_with_the_checksum_or_an_empty_one() {
        let mut paste = Paste::default();
        assert_eq!(paste.line(&CODE[..14]), Fed::More);
        assert_eq!(paste.line(&format!("{}\u{1b}[201~", &CODE[14..])), Fed::Done);
        assert_eq!(Paste::default().line(" "), Fed::Done);
    }

    proptest::proptest! {
        #[test]
        fn no_input_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut paste = Paste::default();
            for chunk in bytes.chunks(7) {
                if paste.feed(chunk) != Fed::More {
                    break;
                }
            }
        }
    }
}
