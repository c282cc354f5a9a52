//! Text into lines of a given width.

use console::measure_text_width as width_of;

/// Breaks text at blanks into lines of at most `width` columns; a word that is longer than a line is
/// broken where it must. Never returns an empty list.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let size = width_of(word);
        if used > 0 && used + 1 + size > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        if size <= width {
            line.push_str(word);
            used += size;
            continue;
        }
        for c in word.chars() {
            let size = width_of(c.encode_utf8(&mut [0; 4]));
            if used + size > width && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += size;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Wraps to at most `most` lines; the last one ends in `...` when something was left out.
pub(super) fn wrap_at_most(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(text, width);
    if lines.len() > most {
        lines.truncate(most.max(1));
        if let Some(last) = lines.last_mut() {
            while width_of(last) + 4 > width && last.pop().is_some() {}
            last.push_str(" ...");
        }
    }
    lines
}

/// Fills text with blanks on the right to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(width_of(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// Fills text with blanks on the left to `width` columns.
pub(super) fn pad_left(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(width_of(text));
    format!("{}{text}", " ".repeat(blanks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_move_to_the_next_line_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
    }

    #[test]
    fn a_word_longer_than_the_line_is_broken_and_nothing_is_lost() {
        let lines = wrap("ab abcdefghij x", 4);
        assert_eq!(lines, ["ab", "abcd", "efgh", "ij x"]);
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(wrap("日本語日本", 4), ["日本", "語日", "本"]);
    }

    #[test]
    fn what_is_left_out_is_marked() {
        assert_eq!(wrap_at_most("one two three four", 7, 2), ["one two", "thr ..."]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_wider_than_asked(text in "[ -~日é]{0,200}", width in 2usize..90) {
            for line in wrap(&text, width) {
                proptest::prop_assert!(width_of(&line) <= width, "{line:?}");
            }
        }
    }
}
