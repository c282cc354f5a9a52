//! What the terminal can show, and messages to the user.

use std::io::{self, IsTerminal, Write};

use crate::cli::args::{Colour, Global};
use crate::render::{Style, sanitise};

/// Returns the style of what goes to stdout.
pub(super) fn style(global: &Global) -> Style {
    let terminal = io::stdout().is_terminal();
    let width = console::Term::stdout()
        .size_checked()
        .filter(|_| terminal)
        .map_or(80, |(_rows, columns)| usize::from(columns));
    Style {
        colour: colour(global.color, terminal, |name| {
            std::env::var_os(name).is_some_and(|v| !v.is_empty())
        }),
        unicode: unicode(|name| std::env::var(name).ok()),
        width,
        verbose: global.verbose,
    }
}

/// Returns the style of what goes to a file: the same everywhere.
pub(super) fn file_style(global: &Global) -> Style {
    Style { verbose: global.verbose, ..Style::plain(80) }
}

/// Decides about colours: the flag first, then `NO_COLOR` (no-color.org), then the terminal.
pub(super) fn colour(flag: Colour, terminal: bool, is_set: impl Fn(&str) -> bool) -> bool {
    match flag {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            terminal
                && !is_set("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
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
