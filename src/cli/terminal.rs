//! What the terminal can show, and messages to the user.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use crate::cli::args::{Colour, Global};
use crate::render::{Style, sanitise};
use crate::sys::ssh_line::SshLine;
use crate::sys::tty;

/// What stderr can show while a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    /// Lines that change in place.
    Live,
    /// Lines below each other.
    Plain,
    /// Nothing: nobody watches.
    Silent,
}

/// Decides what stderr shows while a run is under way.
pub(super) fn screen(global: &Global) -> Screen {
    match (is_error_terminal(), global.verbose) {
        (false, true) => Screen::Plain,
        (false, false) => Screen::Silent,
        (true, _) if global.plain || !can_redraw() => Screen::Plain,
        (true, _) => Screen::Live,
    }
}

/// Whether stdout is a terminal.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether stderr is a terminal.
pub(super) fn is_error_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether somebody sits at the terminal who can be asked.
pub(super) fn attended(global: &Global) -> bool {
    !global.no_input && io::stdin().is_terminal() && is_error_terminal()
}

/// Whether a terminal shows plain text only: a dumb one, the log of a build, a recording.
fn is_bare() -> bool {
    static BARE: OnceLock<bool> = OnceLock::new();
    *BARE.get_or_init(|| {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        dumb || is_set("CI") || tty::is_recorded()
    })
}

/// Whether lines that were written can be written over: not on a bare terminal, where the window has no
/// size, or over a slow SSH connection.
pub(super) fn can_redraw() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let line = || std::env::var("SSH_CONNECTION").ok().and_then(|name| SshLine::named(&name));
        !is_bare() && size(&console::Term::stderr()).is_some() && !line().is_some_and(is_slow)
    })
}

/// Returns rows and columns; a recording may have none.
fn size(terminal: &console::Term) -> Option<(usize, usize)> {
    let size = terminal.size_checked().filter(|(rows, columns)| *rows > 0 && *columns > 0);
    size.map(|(rows, columns)| (usize::from(rows), usize::from(columns)))
}

/// Whether frames would pile up: a keystroke's echo takes longer than this, or more than a screen is
/// still on its way.
fn is_slow(line: SshLine) -> bool {
    const ROUND_TRIP_MS: f64 = 400.0;
    const SCREEN: u32 = 8192;
    line.waiting > SCREEN || line.rtt_ms.is_some_and(|rtt| rtt > ROUND_TRIP_MS)
}

/// Returns the rows and columns of the terminal on stderr.
pub(super) fn error_size() -> (usize, usize) {
    size(&console::Term::stderr()).unwrap_or((24, 80))
}

/// Returns the style of what goes to stdout.
pub(super) fn style(global: &Global) -> Style {
    let size = size(&console::Term::stdout()).filter(|_| is_terminal());
    let width = size.map_or(80, |(_rows, columns)| columns);
    Style {
        colour: colours(global, size.is_some() && !is_bare()),
        unicode: marks(global),
        width,
        verbose: global.verbose,
    }
}

/// Returns the style of what goes to stderr.
pub(super) fn error_style(global: &Global) -> Style {
    Style {
        colour: colours(global, is_error_terminal() && can_redraw()),
        unicode: marks(global),
        width: error_size().1,
        verbose: global.verbose,
    }
}

fn colours(global: &Global, shows: bool) -> bool {
    match global.plain {
        true => global.color == Colour::Always,
        false => colour(global.color, shows, is_set),
    }
}

/// Whether marks may leave ASCII.
fn marks(global: &Global) -> bool {
    !global.plain && unicode(|name| std::env::var(name).ok())
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Returns the style of what goes to a file: the same everywhere.
pub(super) fn file_style(global: &Global) -> Style {
    Style { verbose: global.verbose, ..Style::plain(80) }
}

/// Decides about colours: the flag first, then `NO_COLOR` (no-color.org), then what the terminal shows.
fn colour(flag: Colour, shows: bool, is_set: impl Fn(&str) -> bool) -> bool {
    match flag {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => shows && !is_set("NO_COLOR"),
    }
}

/// Returns whether the locale's character set is UTF-8 (POSIX: `LC_ALL`, `LC_CTYPE`, `LANG`, the
/// first that is set).
pub(super) fn unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty())
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// Writes a message to stderr; there is nobody to tell when that fails.
pub(super) fn complain(message: &str) {
    let mut text = sanitise::message(message.trim_end()).into_owned();
    text.push('\n');
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_beats_the_terminal_and_the_flag_beats_both() {
        assert!(!colour(Colour::Auto, true, |_| true));
        assert!(!colour(Colour::Auto, false, |_| false));
        assert!(colour(Colour::Always, false, |_| true));
        assert!(!colour(Colour::Never, true, |_| false));
    }

    #[test]
    fn a_line_is_slow_by_its_round_trip_or_by_what_waits_on_it() {
        let line = |rtt_ms, waiting| is_slow(SshLine { rtt_ms, waiting });
        assert!(!line(Some(280.0), 4000) && !line(None, 0));
        assert!(line(Some(700.0), 0) && line(Some(20.0), 100_000));
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            }
        };
        assert!(unicode(env(&[("LANG", "en_US.UTF-8")])));
        assert!(!unicode(env(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")])));
        assert!(unicode(env(&[("LC_ALL", ""), ("LANG", "C.utf8")])));
        assert!(!unicode(env(&[])));
    }
}
