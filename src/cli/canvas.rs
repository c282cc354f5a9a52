//! Paints what indicatif draws: only the lines that changed, in place, so that nothing flickers and a
//! slow line carries little.
//!
//! indicatif clears all its lines before it writes them, and fills each up to the edge so that the
//! terminal breaks it there; a window that is resized then shows all of them as one long text. Here
//! every line ends in a line break of its own, and what a narrower window has broken is counted.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::measure_text_width as width_of;
use indicatif::{ProgressDrawTarget, TermLike};

use crate::cli::terminal;

/// A line that shows nothing; of blanks alone indicatif makes what fills a line.
pub(super) const BLANK: &str = "\u{1b}[m";

/// Cuts lines at the edge (DECAWM off), and breaks them again.
const UNBROKEN: &str = "\u{1b}[?7l";
const BROKEN: &str = "\u{1b}[?7h";

/// Returns where a bar draws that is painted so, at most this often a second.
pub(super) fn target(hz: u8) -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::new(Canvas(Mutex::default())), hz)
}

/// The lower end of the terminal on stderr, above the cursor.
#[derive(Debug)]
struct Canvas(Mutex<Frames>);

#[derive(Debug, Default)]
struct Frames {
    shown: Frame,
    next: Vec<String>,
}

/// Lines as they stand on a terminal; the cursor is at the beginning of the line below them.
#[derive(Debug, Default)]
struct Frame {
    lines: Vec<String>,
    columns: usize,
}

impl Canvas {
    fn lock(&self) -> MutexGuard<'_, Frames> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        u16::try_from(terminal::error_size().1).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(terminal::error_size().0).unwrap_or(u16::MAX)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let line = text.trim_matches(['\r', '\n', ' ']);
        if !line.is_empty() {
            self.lock().next.push(text.trim_end().to_owned());
        }
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn flush(&self) -> io::Result<()> {
        let mut frames = self.lock();
        let next =
            Frame { lines: std::mem::take(&mut frames.next), columns: usize::from(self.width()) };
        let change = frames.shown.change(&next);
        frames.shown = next;
        // At once, or a slow terminal would show a part of it.
        io::stderr().write_all(change.as_bytes())
    }

    // Where it writes follows from what stands there.
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
}

impl Frame {
    /// Returns what turns this frame into the next one on the terminal (ECMA-48 8.3: CUU, CUD, EL).
    ///
    /// Whole screens are not erased: tmux would keep them in its history.
    fn change(&self, next: &Frame) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let cursor = |out: &mut String, rows: usize, way: char| {
            if rows > 0 {
                let _ = write!(out, "\u{1b}[{rows}{way}");
            }
        };
        if self.lines.is_empty() && !next.lines.is_empty() {
            // What stands in front of the cursor stays: blanks up to the edge, and past it if anything did.
            let _ = write!(out, "{:1$}\r", "", next.columns);
        }
        // A window that has just become narrower, unknown to us, shall cut the lines and not break them: then
        // the rows that they take stay as many as they were.
        out.push_str(UNBROKEN);
        let rows = self.rows(next.columns);
        // Keys may have been echoed on the line below.
        out.push('\r');
        cursor(&mut out, rows, 'A');
        let mut kept = 0;
        for (nth, line) in next.lines.iter().enumerate() {
            if next.columns == self.columns && self.lines.get(nth) == Some(line) {
                kept += 1;
                continue;
            }
            cursor(&mut out, std::mem::take(&mut kept), 'B');
            out.push_str(line);
            // Behind a full line the cursor still stands on its last character.
            if width_of(line) < next.columns {
                out.push_str("\u{1b}[K");
            }
            out.push_str("\r\n");
        }
        cursor(&mut out, kept, 'B');
        let surplus = rows.saturating_sub(next.lines.len());
        out.push_str(&"\u{1b}[K\u{1b}[1B".repeat(surplus));
        out.push_str("\u{1b}[K");
        cursor(&mut out, surplus, 'A');
        out.push_str(BROKEN);
        out
    }

    /// The rows that it takes in a window of so many columns: terminals break the lines of a window that
    /// becomes narrower.
    fn rows(&self, columns: usize) -> usize {
        let rows = |line: &String| width_of(line).div_ceil(columns.max(1)).max(1);
        self.lines.iter().map(rows).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(lines: &[&str], columns: usize) -> Frame {
        Frame { lines: lines.iter().map(|line| (*line).to_owned()).collect(), columns }
    }

    /// A terminal with a prompt on it, in which frames are shown one after the other.
    fn shown(before: &str, frames: &[Frame]) -> (String, String) {
        typed(before, frames, "")
    }

    /// As [`shown`], and keys are echoed after every frame.
    fn typed(before: &str, frames: &[Frame], keys: &str) -> (String, String) {
        let size = |count| std::num::NonZeroU16::new(count).expect("a size");
        let mut terminal = vt100::Parser::new(size(8), size(20), 100);
        terminal.process(before.as_bytes());
        let (mut now, mut last) = (Frame::default(), String::new());
        for frame in frames {
            last = now.change(frame);
            terminal.process(last.as_bytes());
            terminal.process(keys.as_bytes());
            now = Frame { lines: frame.lines.clone(), columns: frame.columns };
        }
        let rows: Vec<String> =
            terminal.screen().rows(0, 20).map(|row| row.trim_end().to_owned()).collect();
        (rows.join("\n").trim_end().to_owned(), last)
    }

    #[test]
    fn only_lines_that_changed_are_written() {
        let first = || frame(&["head", BLANK, "- one", "- two"], 20);
        let (screen, written) =
            shown("$ run\r\n", &[first(), frame(&["head", BLANK, "+ one", "- two"], 20)]);
        assert_eq!(screen, "$ run\nhead\n\n+ one\n- two");
        let line = "\u{1b}[?7l\r\u{1b}[4A\u{1b}[2B+ one\u{1b}[K\r\n\u{1b}[1B\u{1b}[K\u{1b}[?7h";
        assert_eq!(written, line);
        let nothing = "\u{1b}[?7l\r\u{1b}[4A\u{1b}[4B\u{1b}[K\u{1b}[?7h";
        assert_eq!(shown("", &[first(), first()]).1, nothing);
    }

    #[test]
    fn a_frame_may_grow_and_shrink_and_leaves_nothing_behind() {
        let frames = [
            frame(&["a", "b"], 20),
            frame(&["a", "twenty columns wide!", "c", "d"], 20),
            frame(&["a", "short"], 20),
        ];
        assert_eq!(shown("$ run\r\n", &frames).0, "$ run\na\nshort");
        let gone = [frame(&["a", "b"], 20), frame(&[], 20)];
        assert_eq!(shown("$ run\r\n", &gone).0, "$ run");
    }

    #[test]
    fn it_scrolls_where_the_screen_ends() {
        let frames = [frame(&["a", "b"], 20), frame(&["a", "b", "c", "d"], 20)];
        let (screen, _) = shown(&"line\r\n".repeat(7), &frames);
        assert_eq!(screen, "line\nline\nline\na\nb\nc\nd");
    }

    #[test]
    fn text_in_front_of_the_cursor_keeps_its_line() {
        let frames = [frame(&["a"], 20), frame(&["b"], 20)];
        assert_eq!(shown("prompt> ", &frames).0, "prompt>\nb", "behind a text");
        assert_eq!(shown("$ run\r\n", &frames).0, "$ run\nb", "on a line of its own");
    }

    #[test]
    fn keys_that_are_echoed_below_leave_no_trace() {
        let gone = || [frame(&["a"], 20), frame(&["b", "c"], 20), frame(&[], 20)];
        assert_eq!(typed("$ run\r\n", &gone()[..2], "^C").0, "$ run\nb\nc\n^C");
        assert_eq!(typed("$ run\r\n", &gone(), "^C").0, "$ run\n^C", "the last, after the end");
    }

    #[test]
    fn what_a_narrower_window_has_broken_is_taken_back_too() {
        let wide = frame(&["a", "eighteen columns .", "c"], 20);
        // The second line takes two rows now.
        let narrow = wide.change(&frame(&["a", "short"], 10));
        assert!(narrow.contains("\u{1b}[4Aa\u{1b}[K\r\nshort"), "{narrow:?}");
        assert!(
            narrow.contains("\u{1b}[K\u{1b}[1B\u{1b}[K\u{1b}[1B\u{1b}[K\u{1b}[2A"),
            "{narrow:?}"
        );
        assert!(wide.change(&frame(&["x"], 40)).contains("\u{1b}[3Ax"));
    }
}
