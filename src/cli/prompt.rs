//! Questions at the terminal: a choice out of several, a line, a longer text.
//!
//! Where lines can be redrawn dialoguer shows a menu; elsewhere, and for screen readers, choices are
//! numbered and a line is read. What waits for a key cannot be cancelled: when a signal comes the
//! caller gives the terminal its modes back ([`Prompt::restore`]) and ends the process.

mod line;

use std::io::{self, BufRead, Write};
use std::time::Duration;

use console::Term;
use dialoguer::Select;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};

use crate::cli::args::Global;
use crate::cli::paste::{Fed, MARK, Paste, UNMARK};
use crate::cli::terminal;
use crate::render::{Paint, Style, sanitise};
use crate::sys::tty::{self, Modes};

/// How long a Ctrl-C at a prompt may take until its signal ends the run.
const SIGNAL: Duration = Duration::from_secs(2);

/// The person at the terminal.
#[derive(Clone)]
pub(super) struct Prompt {
    /// Whether menus can be drawn.
    rich: bool,
    style: Style,
    modes: Option<Modes>,
}

/// What came of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// An answer.
    Answer(T),
    /// The user wants none of it (Esc).
    Nothing,
    /// There is nobody any more: the input has ended.
    Nobody,
}

/// What a prompt takes from the keyboard itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Every key, Ctrl-C too.
    All,
    /// Text; Ctrl-C is the terminal's.
    Text,
}

impl<T> Given<T> {
    /// Returns the answer.
    pub(super) fn answer(self) -> Option<T> {
        match self {
            Given::Answer(answer) => Some(answer),
            Given::Nothing | Given::Nobody => None,
        }
    }
}

impl Prompt {
    /// Finds the person at the terminal, if anybody may be asked.
    pub(super) fn new(global: &Global) -> Option<Prompt> {
        terminal::attended(global).then(|| Prompt {
            rich: terminal::screen(global) == terminal::Screen::Live,
            style: terminal::error_style(global),
            modes: Modes::of_stdin(),
        })
    }

    /// Gives the terminal back as it was.
    pub(super) fn restore(&self) {
        if let Some(modes) = &self.modes {
            modes.restore();
        }
        if self.rich {
            let _ = write!(io::stderr(), "{UNMARK}\u{1b}[?25h");
        }
    }

    /// Throws away what was typed before anything was asked: an impatient Enter is no answer. A script that
    /// feeds a dumb terminal may have written its answers already.
    pub(super) fn forget_typed(&self) {
        if self.rich {
            tty::forget_typed();
        }
    }

    /// Returns how text looks here, in the window as it is now.
    pub(super) fn style(&self) -> Style {
        Style { width: terminal::error_size().1, ..self.style.clone() }
    }

    /// Says something, wrapped and harmless.
    pub(super) fn say(&self, text: &str) {
        let mut out = Vec::new();
        // A vector takes everything.
        let _ = crate::render::manual::paragraph(text, &self.style(), &mut out);
        let _ = io::stderr().write_all(&out);
    }

    /// Shows a command on a line of its own, so that it can be copied.
    pub(super) fn command(&self, command: &str) {
        let command = self.style.paint(Paint::Command, &sanitise::line(command.trim()));
        let _ = writeln!(io::stderr(), "  {command}");
    }

    /// Lets the user choose one of several; Enter takes `default`.
    pub(super) async fn pick(
        &self,
        prompt: &str,
        items: &[String],
        default: usize,
    ) -> Given<usize> {
        let width = self.style().width;
        let clean = |text: &str, room: usize| {
            let text = sanitise::prose(text);
            console::truncate_str(&text, width.saturating_sub(room), "...").into_owned()
        };
        // A line that the terminal breaks could not be redrawn.
        let items: Vec<String> = items.iter().map(|item| clean(item, 6)).collect();
        let longest = items.iter().map(|item| console::measure_text_width(item)).max();
        let prompt = match self.rich {
            true => clean(prompt, 6 + longest.unwrap_or(0).min(30)),
            false => sanitise::prose(prompt).into_owned(),
        };
        let (rich, theme) = (self.rich, self.theme());
        self.on_a_thread(Keys::All, move || match rich {
            true => {
                let select = Select::with_theme(&*theme).with_prompt(prompt).items(&items);
                // A frame is written at once, or a slow line would show it in parts.
                match select.default(default).interact_on_opt(&Term::buffered_stderr()) {
                    Ok(Some(item)) => Ok(Given::Answer(item)),
                    Ok(None) => Ok(Given::Nothing),
                    Err(dialoguer::Error::IO(error)) => Err(error),
                }
            }
            false => numbered(&prompt, &items, default),
        })
        .await
    }

    /// As [`Prompt::pick`], with a way back as the last item; `None` when the user takes it.
    pub(super) async fn pick_or_back(
        &self,
        prompt: &str,
        items: &[String],
        default: usize,
    ) -> Option<usize> {
        let mut all = items.to_vec();
        all.push("Back".to_owned());
        self.pick(prompt, &all, default).await.answer().filter(|picked| *picked < items.len())
    }

    /// Lets the user write a line; Enter on an empty one takes `proposed`.
    pub(super) async fn line(&self, prompt: &str, proposed: &str) -> Given<String> {
        let back = if self.rich { "Esc" } else { "Ctrl-D" };
        self.say(&format!("Enter takes {proposed}, {back} goes back."));
        let (rich, theme, width) = (self.rich, self.theme(), self.style().width);
        let (prompt, proposed) = (prompt.to_owned(), proposed.to_owned());
        self.on_a_thread(Keys::All, move || match rich {
            true => line::edit(&*theme, &prompt, &proposed, width),
            false => {
                let mut err = io::stderr();
                write!(err, "{prompt}: ")?;
                err.flush()?;
                Ok(match read_line()? {
                    None => Given::Nobody,
                    Some(line) if line.is_empty() => Given::Answer(proposed),
                    Some(line) => Given::Answer(line),
                })
            }
        })
        .await
    }

    /// Lets the user paste a text of several lines.
    pub(super) async fn paste(&self) -> Given<String> {
        let (rich, modes) = (self.rich, self.modes.clone());
        if rich && modes.is_some() {
            let _ = write!(io::stderr(), "{MARK}> ");
        }
        self.on_a_thread(Keys::Text, move || {
            let mut paste = Paste::default();
            let Some(modes) = modes.as_ref().filter(|_| rich) else {
                let given = lines(&mut paste);
                if let Some(modes) = modes.filter(|_| paste.len() > 0) {
                    modes.drain()?;
                    modes.restore_and_flush();
                }
                return given;
            };
            let mut err = io::stderr();
            let fed = loop {
                let bytes = tty::read(4096)?;
                if bytes.is_empty() {
                    break None;
                }
                let fed = paste.feed(&bytes);
                write!(err, "\r> {} characters ", paste.len())?;
                err.flush()?;
                if fed != Fed::More {
                    break Some(fed);
                }
            };
            writeln!(err, "{UNMARK}")?;
            if fed == Some(Fed::Done) {
                // What was pasted behind the end would be taken for keys.
                modes.drain()?;
            }
            modes.restore_and_flush();
            Ok(match fed {
                None => Given::Nobody,
                Some(Fed::Cancelled) => Given::Nothing,
                Some(_) if paste.len() == 0 => Given::Nothing,
                Some(_) => Given::Answer(paste.text()),
            })
        })
        .await
    }

    /// Runs what waits for a key; an error is taken as the end of the input. Ctrl-C and a terminal that has
    /// gone away end the run by a signal, which is on its way then.
    ///
    /// The terminal listens before the thread starts: a Ctrl-C that comes in between would end the run
    /// while the thread still changes the modes.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        keys: Keys,
        work: impl FnOnce() -> io::Result<Given<T>> + Send + 'static,
    ) -> Given<T> {
        let modes = self.modes.as_ref().filter(|_| self.rich);
        if let Some(modes) = modes {
            // Without these modes keys are read all the same.
            let _ = modes.listen(keys == Keys::Text);
        }
        let worked = tokio::task::spawn_blocking(work).await;
        let interrupted = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        let stopped = matches!(&worked, Ok(Err(error)) if interrupted(error));
        if stopped || self.modes.is_some() && Modes::of_stdin().is_none() {
            tokio::time::sleep(SIGNAL).await;
        }
        let given = worked.ok().and_then(Result::ok).unwrap_or(Given::Nobody);
        if let Some(modes) = modes {
            modes.restore();
        }
        given
    }

    fn theme(&self) -> Box<dyn Theme + Send> {
        match self.style.colour && self.style.unicode {
            true => Box::new(ColorfulTheme::default()),
            false => Box::new(SimpleTheme),
        }
    }
}

/// Reads a line; `None` at the end of the input.
fn read_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = io::stdin().lock().read_line(&mut line)?;
    Ok((count > 0).then(|| line.trim().to_owned()))
}

/// Shows numbered choices and reads a number, or the beginning of a choice.
fn numbered(prompt: &str, items: &[String], default: usize) -> io::Result<Given<usize>> {
    let mut err = io::stderr();
    writeln!(err, "{prompt}")?;
    for (nth, item) in items.iter().enumerate() {
        writeln!(err, "  {} {item}", nth + 1)?;
    }
    loop {
        write!(err, "Number, or Enter for {} ({}): ", default + 1, items[default])?;
        err.flush()?;
        let Some(line) = read_line()? else { return Ok(Given::Nobody) };
        match chosen(&line, items, default) {
            Some(item) => return Ok(Given::Answer(item)),
            None => writeln!(err, "Write a number from 1 to {}.", items.len())?,
        }
    }
}

fn chosen(line: &str, items: &[String], default: usize) -> Option<usize> {
    if line.is_empty() {
        return Some(default);
    }
    if let Ok(number) = line.parse::<usize>() {
        return number.checked_sub(1).filter(|item| *item < items.len());
    }
    let line = line.to_lowercase();
    let mut fits = (0..items.len()).filter(|nth| items[*nth].to_lowercase().starts_with(&line));
    let first = fits.next();
    first.filter(|_| fits.next().is_none())
}

/// Reads lines until the text is whole or an empty line comes.
fn lines(paste: &mut Paste) -> io::Result<Given<String>> {
    loop {
        let Some(line) = read_line()? else { return Ok(Given::Nobody) };
        if paste.line(&line) != Fed::More {
            break;
        }
    }
    Ok(match paste.len() {
        0 => Given::Nothing,
        _ => Given::Answer(paste.text()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_as_its_number_or_its_beginning() {
        let items = ["Stop", "Retest it", "Retest all"].map(str::to_owned);
        let cases = [
            ("", Some(0)),
            ("1", Some(0)),
            ("3", Some(2)),
            ("0", None),
            ("4", None),
            ("-1", None),
            ("st", Some(0)),
            ("retest", None),
            ("retest a", Some(2)),
            ("x", None),
        ];
        for (line, item) in cases {
            assert_eq!(chosen(line, &items, 0), item, "{line:?}");
        }
    }
}
