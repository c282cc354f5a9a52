//! A line that is written in place, and that Esc leaves: dialoguer's own has no way back.

use std::io;

use console::{Key, Term};
use dialoguer::theme::Theme;

use super::Given;

/// Longer than any path.
const MOST: usize = 4096;

/// Lets the user write a line; Enter on an empty one takes `proposed`.
pub(super) fn edit(
    theme: &dyn Theme,
    prompt: &str,
    proposed: &str,
    width: usize,
) -> io::Result<Given<String>> {
    let term = Term::buffered_stderr();
    let mut head = String::new();
    // A string takes everything.
    let _ = theme.format_input_prompt(&mut head, prompt, None);
    let room = width.saturating_sub(console::measure_text_width(&head) + 2).max(1);
    let mut text = String::new();
    let given = loop {
        term.clear_line()?;
        term.write_str(&format!("{} {}", head.trim_end(), end_of(&text, room)))?;
        term.flush()?;
        match term.read_key()? {
            Key::Enter if text.trim().is_empty() => break Given::Answer(proposed.to_owned()),
            Key::Enter => break Given::Answer(text),
            Key::Escape => break Given::Nothing,
            key => press(&mut text, key),
        }
    };
    term.clear_line()?;
    if let Given::Answer(answer) = &given {
        let mut said = String::new();
        let _ = theme.format_input_prompt_selection(&mut said, prompt, answer);
        term.write_line(&said)?;
    }
    term.flush()?;
    Ok(given)
}

fn press(text: &mut String, key: Key) {
    match key {
        Key::Backspace => {
            text.pop();
        }
        // Ctrl-U takes the whole line back, Ctrl-W its last word, as in a shell.
        Key::Char('\u{15}') => text.clear(),
        Key::Char('\u{17}') => {
            let word = text.trim_end().rfind(['/', ' ']).map_or(0, |end| end + 1);
            text.truncate(if word == text.len() { 0 } else { word });
        }
        Key::Char(c) if !c.is_control() && text.len() < MOST => text.push(c),
        _ => {}
    }
}

/// The end of a text that is too long for its line: one that the terminal breaks could not be redrawn.
fn end_of(text: &str, room: usize) -> &str {
    let mut shown = text;
    while console::measure_text_width(shown) > room {
        let mut rest = shown.chars();
        rest.next();
        shown = rest.as_str();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_write_and_take_back() {
        let typed = |keys: &[Key]| {
            let mut text = String::new();
            keys.iter().cloned().for_each(|key| press(&mut text, key));
            text
        };
        let text = |text: &str| text.chars().map(Key::Char).collect::<Vec<_>>();
        assert_eq!(typed(&text("a/\u{7}ü.html")), "a/ü.html");
        assert_eq!(typed(&[text("aü"), vec![Key::Backspace]].concat()), "a");
        assert_eq!(typed(&text("a/bc\u{17}")), "a/");
        assert_eq!(typed(&text("abc\u{17}")), "");
        assert_eq!(typed(&text("abc\u{15}d")), "d");
        assert_eq!(typed(&[Key::Backspace, Key::Tab, Key::ArrowLeft]), "");
    }

    #[test]
    fn of_a_long_line_the_end_is_shown() {
        assert_eq!(end_of("abc", 3), "abc");
        assert_eq!(end_of("/a/long/path", 4), "path");
        assert_eq!(end_of("日本", 3), "本");
    }
}
