//! A pattern for diagnosis ids and labels: `*` stands for any text, also none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text in which every `*` stands for any text, also none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes a pattern as written.
    pub fn new(text: impl Into<String>) -> Pattern {
        Pattern(text.into())
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text fits, from its first character to its last.
    pub fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The earliest place for each part leaves the most for those behind it.
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let cases = [
            ("mtu.*", "mtu.blackhole", true),
            ("mtu.*", "mtu.", true),
            ("mtu.*", "tcp.mtu.x", false),
            ("*.refused*", "tcp.refused_no_listener", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("tcp.refused", "tcp.refused_by", false),
            ("**", "x", true),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_the_plain_definition(pattern in "[ab*]{0,7}", text in "[ab]{0,9}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
                    ([p, pattern @ ..], [t, text @ ..]) => p == t && plain(pattern, text),
                    ([], []) => true,
                    _ => false,
                }
            }
            let fits = Pattern::new(pattern.clone()).fits(&text);
            proptest::prop_assert_eq!(fits, plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
