//! "Did you mean": the known name nearest to a mistyped one.

/// Returns the nearest name, if any is near enough to be meant.
pub(super) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A long text is no slip of the finger, and comparing it costs its length squared.
    if wrong.len() > 80 {
        return None;
    }
    let most = wrong.chars().count().div_ceil(3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Writes "did you mean", or else the whole list.
pub(super) fn suggestion<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!("did you mean {name}?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() {
        "there are none".to_owned()
    } else {
        format!("write one of {}", all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = ["tcp_connect", "tcp_trace", "dns"];
        assert_eq!(nearest("tcp_conect", known), Some("tcp_connect"));
        assert_eq!(nearest("dsn", known), Some("dns"));
        assert_eq!(nearest("frobnicate", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
