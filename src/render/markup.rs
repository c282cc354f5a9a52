//! Text inside Markdown (GitHub's and GitLab's flavour) that stays text.

use crate::render::sanitise::{line, prose};

/// What renders as nothing, and breaks what GitHub and GitLab look for in the finished page.
const BREAK: &str = "<!-- -->";

/// Escapes text so that it stays text on one line, in a paragraph, a list or a table.
///
/// 1. What Markdown or HTML gives a meaning is escaped: by a backslash (CommonMark 2.4), or as an
///    entity. 2. An empty comment breaks what forges link or replace after that: mentions, issue
///    numbers, addresses of pages, emoji (`2001:100:1` has one).
pub(super) fn inline(text: &str) -> String {
    escape(&prose(text), true)
}

/// Escapes text inside an HTML element, where Markdown is not looked for but the rest is.
pub(super) fn element(text: &str) -> String {
    escape(&prose(text), false)
}

fn escape(text: &str, markdown: bool) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let joined = rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => {
                safe.push_str("&amp;");
                safe.push_str(BREAK);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' if markdown => {
                safe.push('\\');
                safe.push(c);
            }
            '-' | '+' | '=' if markdown && at == 0 => {
                safe.push('\\');
                safe.push(c);
            }
            '.' | ')' if markdown && is_number(&text[..at]) && !joined => {
                safe.push('\\');
                safe.push(c);
            }
            '#' => {
                safe.push_str(if markdown { "\\#" } else { "#" });
                safe.push_str(BREAK);
            }
            '@' | '!' | '%' | '^' if joined => {
                safe.push(c);
                safe.push_str(BREAK);
            }
            ':' if rest.starts_with("//") || is_emoji(rest) => {
                safe.push(c);
                safe.push_str(BREAK);
            }
            '.' if text[..at].to_ascii_lowercase().ends_with("www") => {
                safe.push(c);
                safe.push_str(BREAK);
            }
            '-' if text[..at].to_ascii_uppercase().ends_with("GH") => {
                safe.push(c);
                safe.push_str(BREAK);
            }
            '{' if rest.starts_with(['+', '-']) => {
                safe.push(c);
                safe.push_str(BREAK);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Whether the text is the number of a list item.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether what follows a colon makes it the start of an emoji's name.
fn is_emoji(rest: &str) -> bool {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_+-".contains(c)));
    end.is_some_and(|end| end > 0 && rest[end..].starts_with(':'))
}

/// Puts text into a code span that nothing in it can end.
pub(super) fn code(text: &str) -> String {
    let text = line(text);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Puts text into a code span in a cell of a table: cells are split before code is looked for, and
/// `\|` is the escape there (GFM 4.10).
pub(super) fn code_in_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_links_mentions_and_emoji_stay_text() {
        let cases = [
            ("a|b", "a\\|b"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("[x](http://y)", "\\[x\\](http:<!-- -->//y)"),
            ("@team #1 :tada:", "@<!-- -->team \\#<!-- -->1 :<!-- -->tada:"),
            ("2001:100:1", "2001:<!-- -->100:1"),
            ("db.test:5432", "db.test:5432"),
            ("*a* _b_ `c`", "\\*a\\* \\_b\\_ \\`c\\`"),
            ("- x", "\\- x"),
            ("1. x", "1\\. x"),
            ("10.4.3.2 is up", "10.4.3.2 is up"),
            ("a\nb\u{1b}[0m\u{202e}", "a b\\\\u{1b}\\[0m\\\\u{202e}"),
            ("www.x", "www.<!-- -->x"),
        ];
        for (text, said) in cases {
            assert_eq!(inline(text), said);
        }
    }

    #[test]
    fn nothing_ends_a_code_span() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``a"), "``` ``a ```");
        assert_eq!(code("a\nb"), "`a\\nb`");
        assert_eq!(code(""), "");
        assert_eq!(code_in_cell("a|b"), "`a\\|b`");
    }
}
