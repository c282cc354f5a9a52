//! Conditions as short as a picture needs them: read, never evaluated.

/// Says a condition in fewer characters and closer to words.
///
/// `result.` goes, so do guards (`x != null && x > 3` is `x > 3`: what is unknown fails the comparison
/// anyway) and the quotes of plain words; `a == "x" || a == "y"` becomes `a = x or y`. What cannot be
/// read stays as it is.
pub(super) fn short(source: &str) -> String {
    let tokens = tokens(source);
    let kept = without_guards(&tokens);
    let mut words = Vec::new();
    for (at, token) in kept.iter().enumerate() {
        words.push(word(token, at.checked_sub(1).map(|before| kept[before].as_str())));
    }
    spaced(&without_repeated_subject(words))
}

/// Operators, literals, and paths such as `a.b[0].size`; blanks go.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        let mut token = String::from(c);
        if c.is_whitespace() {
            continue;
        } else if c == '"' || c == '\'' {
            while let Some(inner) = chars.next() {
                token.push(inner);
                if inner == '\\' {
                    token.extend(chars.next());
                } else if inner == c {
                    break;
                }
            }
        } else if is_path(c) {
            while let Some(next) = chars.next_if(|next| is_path(*next)) {
                token.push(next);
            }
        } else if "=!<>&|".contains(c) {
            let pair = |next: char| matches!((c, next), (_, '=') | ('&', '&') | ('|', '|'));
            token.extend(chars.next_if(|next| pair(*next)));
        }
        tokens.push(token);
    }
    tokens
}

fn is_path(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

/// Drops terms of an `&&` chain that only ask whether something is known that the chain looks at.
fn without_guards(tokens: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = tokens.to_vec();
    let mut at = 0;
    while at < kept.len() {
        let Some((path, length)) = guard(&kept[at..]) else {
            at += 1;
            continue;
        };
        let after = kept.get(at + length).is_some_and(|token| token == "&&");
        let starts = at == 0 || ["(", ",", "&&"].contains(&kept[at - 1].as_str());
        let bare = path.strip_prefix('!').unwrap_or(&path).to_owned();
        let chain = &kept[(at + length).min(kept.len())..];
        let end = end_of_chain(chain);
        let looked_at = chain[..end].iter().any(|token| {
            token == &bare || token.strip_prefix(&bare).is_some_and(|rest| rest.starts_with('.'))
        });
        if starts && after && looked_at {
            kept.drain(at..=at + length);
        } else {
            at += length;
        }
    }
    kept
}

/// Returns how many tokens belong to the same `&&` chain.
fn end_of_chain(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" if depth == 0 => return at,
            ")" | "]" => depth -= 1,
            "||" | "?" | ":" if depth == 0 => return at,
            _ => {}
        }
    }
    tokens.len()
}

/// Reads `path != null` or `has(path)`: the path, and of how many tokens it is made.
fn guard(tokens: &[String]) -> Option<(String, usize)> {
    let texts: Vec<&str> = tokens.iter().take(4).map(String::as_str).collect();
    match texts.as_slice() {
        [path, "!=", "null", ..] if path.starts_with(is_path) => Some(((*path).to_owned(), 3)),
        ["has", "(", path, ")"] => Some(((*path).to_owned(), 4)),
        _ => None,
    }
}

fn word(token: &str, before: Option<&str>) -> String {
    match token {
        "==" => "=".to_owned(),
        "!=" => "≠".to_owned(),
        "<=" => "≤".to_owned(),
        ">=" => "≥".to_owned(),
        "&&" => "and".to_owned(),
        "||" => "or".to_owned(),
        "!" => "not".to_owned(),
        _ => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
            let quote = token.chars().next().filter(|c| "\"'".contains(*c));
            let inner = quote.and_then(|quote| token.strip_prefix(quote)?.strip_suffix(quote));
            match inner {
                // After a comparison a plain word is told from a path by its place.
                Some(inner)
                    if !inner.is_empty()
                        && inner.chars().all(plain)
                        && matches!(before, Some("==" | "!=")) =>
                {
                    inner.to_owned()
                }
                _ => token.strip_prefix("result.").unwrap_or(token).to_owned(),
            }
        }
    }
}

/// `a = x or a = y` becomes `a = x or y`.
fn without_repeated_subject(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let text = |offset: usize| words.get(at + offset).map(String::as_str);
        let last = kept.len();
        // What stands behind `or` compares the same path as what stands before it.
        let again = text(0) == Some("or")
            && text(2) == Some("=")
            && !matches!(text(4), Some("+" | "-" | "*" | "/" | "%" | "("))
            && last >= 3
            && subject(&kept).is_some_and(|subject| Some(subject) == text(1));
        if again {
            kept.push("or".to_owned());
            kept.extend(words.get(at + 3).cloned());
            at += 4;
        } else {
            kept.push(words[at].clone());
            at += 1;
        }
    }
    kept
}

/// The path that the last comparison of the words asks for, as in `a = x or y`.
fn subject(words: &[String]) -> Option<&str> {
    let (mut rest, _) = words.split_at(words.len().checked_sub(1)?);
    while let [shorter @ .., _, or] = rest
        && or == "or"
    {
        rest = shorter;
    }
    match rest {
        [.., path, equals] if equals == "=" => Some(path),
        _ => None,
    }
}

fn spaced(words: &[String]) -> String {
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| words[before].as_str());
        let called = before.chars().next_back().is_some_and(is_path)
            && !matches!(before, "and" | "or" | "not" | "in");
        let tight = at == 0
            || matches!(word.as_str(), ")" | "]" | ",")
            || matches!(before, "(" | "[")
            || (matches!(word.as_str(), "(" | "[") && called)
            || (word.starts_with('.') && matches!(before, ")" | "]"));
        if !tight {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_short_and_keep_their_meaning() {
        let cases = [
            ("result.outcome == \"resolved\"", "outcome = resolved"),
            (
                "result.outcome == \"none\" || result.outcome == \"no_address\"",
                "outcome = none or no_address",
            ),
            (
                "connect.errno == \"A\" || connect.errno == 'B' || connect.errno == \"C\"",
                "connect.errno = A or B or C",
            ),
            ("result.best.carrier != null && !result.best.carrier", "not best.carrier"),
            ("result.path_mtu != null && result.path_mtu >= 576", "path_mtu ≥ 576"),
            ("has(route.outcome) && route.outcome == \"local\"", "route.outcome = local"),
            ("a != null", "a ≠ null"),
            ("a != null && b > 1", "a ≠ null and b > 1"),
            // The chain ends at `or`: here the guard says something.
            ("a != null || a > 1", "a ≠ null or a > 1"),
            ("(a != null && b) || a", "(a ≠ null and b) or a"),
            ("size(connect.failed_addresses) == 0", "size(connect.failed_addresses) = 0"),
            ("a.exists(s, s.b != null && s.b) && c", "a.exists(s, s.b) and c"),
            ("x == \"a b\" || x == \"\"", "x = \"a b\" or \"\""),
            ("a == b || a + 1 == c", "a = b or a + 1 = c"),
            ("a == 1 || a == 2 + b", "a = 1 or a = 2 + b"),
            ("\"unfinished", "\"unfinished"),
            ("a\n  &&\tb", "a and b"),
            ("x in [\"a\", \"b\"]", "x in [\"a\", \"b\"]"),
            ("", ""),
        ];
        for (source, wanted) in cases {
            assert_eq!(short(source), wanted, "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(source in "([a-z.!=&|()\\[\\]<>\"'? ]|null|has\\(|&&|\\|\\||.){0,60}") {
            let _ = short(&source);
        }
    }
}
