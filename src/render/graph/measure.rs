//! How wide a text becomes: by the widths of a wide face, so that it fits in any other.

/// A face and its size in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Face {
    /// Sans serif.
    Plain(f64),
    /// Sans serif, bold.
    Bold(f64),
    /// Every character as wide as the others.
    Mono(f64),
}

/// Advance widths of DejaVu Sans from blank to tilde, in hundredths of the size. Arial and Helvetica
/// are narrower.
#[rustfmt::skip]
const PLAIN: [u8; 95] = [
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63,
    58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69,
    61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58,
    28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
];
/// The same of DejaVu Sans Bold.
#[rustfmt::skip]
const BOLD: [u8; 95] = [
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70,
    70, 70, 70, 70, 70, 70, 70, 40, 40, 84, 84, 84, 58, 100, 77, 76, 73, 83, 68,
    68, 82, 84, 37, 37, 77, 64, 100, 84, 85, 73, 85, 77, 72, 68, 81, 77, 110, 77,
    72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72, 68, 44, 72, 71, 34, 34, 67,
    34, 104, 71, 69, 72, 72, 49, 60, 48, 71, 65, 92, 65, 65, 58, 71, 37, 71, 84,
];
/// Of a face whose characters have one width.
const MONO: f64 = 0.61;

/// Returns the width in pixels.
pub(super) fn width(text: &str, face: Face) -> f64 {
    text.chars().map(|c| advance(c, face)).sum()
}

fn advance(c: char, face: Face) -> f64 {
    let nth = u32::from(c).checked_sub(32).and_then(|n| usize::try_from(n).ok());
    let wide = console::measure_text_width(c.encode_utf8(&mut [0; 4])) > 1;
    match face {
        Face::Mono(size) if wide => size * MONO * 2.0,
        Face::Mono(size) => size * MONO,
        Face::Plain(size) | Face::Bold(size) => {
            let table = if matches!(face, Face::Bold(_)) { &BOLD } else { &PLAIN };
            let width = nth.and_then(|n| table.get(n)).map_or(0.84, |w| f64::from(*w) / 100.0);
            size * if wide { 1.05 } else { width }
        }
    }
}

/// Cuts a text to a width; what was cut ends in an ellipsis.
pub(super) fn cut(text: &str, face: Face, room: f64) -> String {
    if width(text, face) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = advance('…', face);
    for c in text.chars() {
        used += advance(c, face);
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

/// Breaks a text at blanks into at most `most` lines; the last one is cut when there is more. A word
/// that is too long for a line is broken at dots, underscores and brackets, or where it must.
pub(super) fn wrap(text: &str, face: Face, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in pieces(text, face, room) {
        let line = lines.last().map_or("", String::as_str);
        if !line.is_empty() && width(format!("{line}{word}").trim_end(), face) > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { word.trim_start() } else { &word });
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    if lines.len() > most.max(1) {
        let rest = lines.split_off(most.max(1) - 1);
        lines.push(cut(&rest.join(" "), face, room));
    }
    lines
}

/// The pieces between which a line may end, blanks kept behind them.
fn pieces(text: &str, face: Face, room: f64) -> Vec<String> {
    let mut pieces = Vec::new();
    for word in text.split_whitespace() {
        let mut piece = String::new();
        let long = width(word, face) > room;
        for c in word.chars() {
            if long && width(&piece, face) + advance(c, face) > room {
                pieces.push(std::mem::take(&mut piece));
            }
            piece.push(c);
            if long && "._,()[]/:-".contains(c) {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        piece.push(' ');
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!(cut("abc", Face::Mono(10.0), 100.0), "abc");
        assert_eq!(cut("abcdef", Face::Mono(10.0), 25.0), "abc…");
        assert_eq!(wrap("one two three four", Face::Mono(10.0), 45.0, 2), ["one two", "three…"]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_is_wider_than_the_room(text in "[ -~é日]{0,120}", room in 20f64..200.0, most in 1usize..4) {
            for face in [Face::Plain(11.0), Face::Bold(13.0), Face::Mono(10.0)] {
                let lines = wrap(&text, face, room, most);
                proptest::prop_assert!(!lines.is_empty() && lines.len() <= most);
                for line in lines {
                    proptest::prop_assert!(width(&line, face) <= room, "{line:?}");
                }
            }
        }
    }
}
