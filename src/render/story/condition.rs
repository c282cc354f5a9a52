//! A runbook's condition in plain words, where it is simple enough for that.

use crate::render::sanitise::line;

/// Longer conditions are no sentence.
const MOST: usize = 120;

/// Says a condition in words; `None` when it is not simple: with lists, alternatives or nested parts.
pub(super) fn plain(when: &str) -> Option<String> {
    if when.chars().any(|c| "?[]{}+*/'".contains(c)) {
        return None;
    }
    // Which of several ways holds, only the values tell.
    if when.contains(" || ") {
        return None;
    }
    all_of(when).filter(|said| said.len() <= MOST)
}

/// Says a conjunction, without the parts that only guard the others.
fn all_of(when: &str) -> Option<String> {
    let parts: Vec<&str> = when.split(" && ").map(str::trim).collect();
    let guards = |nth: usize, path: &str| {
        let mut others = parts.iter().enumerate().filter(|(other, _)| *other != nth);
        others.any(|(_, other)| other.contains(path) && !other.ends_with("!= null"))
    };
    let mut said = Vec::new();
    for (nth, part) in parts.iter().enumerate() {
        let guarded = part.strip_suffix(" != null").or_else(|| inside(part, "has"));
        match guarded {
            Some(path) if guards(nth, path) => {}
            _ => said.push(term(part)?),
        }
    }
    Some(said.join(" and "))
}

fn inside<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

/// Says one comparison.
fn term(text: &str) -> Option<String> {
    if let Some(path) = text.strip_suffix(" != null") {
        return Some(format!("{} is known", name(path)?));
    }
    if let Some(path) = text.strip_suffix(" == null") {
        return Some(format!("{} is not known", name(path)?));
    }
    const SIGNS: [(&str, &str); 6] = [
        (" == ", "is"),
        (" != ", "is not"),
        (" >= ", "is at least"),
        (" <= ", "is at most"),
        (" > ", "is above"),
        (" < ", "is below"),
    ];
    for (sign, word) in SIGNS {
        let Some((left, right)) = text.split_once(sign) else { continue };
        if let Some(list) = inside(left, "size") {
            let list = name(list)?;
            return Some(match (sign, right) {
                (" == ", "0") => format!("{list} is empty"),
                (" > ", "0") => format!("{list} is not empty"),
                _ => format!("the number of {list} {word} {}", name(right)?),
            });
        }
        let literal = right.starts_with(|c: char| c == '"' || c.is_ascii_digit());
        let word = if sign == " == " && !literal { "equals" } else { word };
        return Some(format!("{} {word} {}", name(left)?, name(right)?));
    }
    match text.strip_prefix('!') {
        Some(path) => Some(format!("{} is false", name(path)?)),
        None => match inside(text, "has") {
            Some(path) => Some(format!("{} was looked at", name(path)?)),
            None => Some(format!("{} is true", name(text)?)),
        },
    }
}

/// A path or a literal; the step's own result needs no name.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let simple = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    match bare {
        Some(word) => (!word.contains('"')).then(|| line(word).into_owned()),
        None => {
            let path = text.strip_prefix("result.").unwrap_or(text);
            (!path.is_empty() && path.chars().all(simple)).then(|| path.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_conditions_become_words_and_others_do_not() {
        let cases = [
            ("result.outcome == \"resolved\"", Some("outcome is resolved")),
            ("result.went != null && result.went", Some("went is true")),
            ("has(trace.x) && trace.x > 0", Some("trace.x is above 0")),
            ("result.a || result.outcome == \"u\"", None),
            ("connect.a == result.b", Some("connect.a equals b")),
            (
                "!result.a && size(connect.failed) == 0",
                Some("a is false and connect.failed is empty"),
            ),
            ("size(connect.failed) > 3", Some("the number of connect.failed is above 3")),
            ("result.n >= params.n", Some("n is at least params.n")),
            ("result.n != null", Some("n is known")),
            ("result.n == null && has(a.b)", Some("n is not known and a.b was looked at")),
            ("result.l.exists(x, x == 1)", None),
            ("(a || b) && c", None),
            ("a ? b : c", None),
            ("a + b == c", None),
            ("result.outcome == \"a\\u{1b}\"", None),
        ];
        for (when, said) in cases {
            assert_eq!(plain(when).as_deref(), said, "{when}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_condition_makes_it_panic(when in "\\PC{0,60}") {
            let _ = plain(&when);
        }
    }
}
