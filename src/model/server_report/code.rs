//! The report of a server as text that can be copied from one terminal into another.
//!
//! `tcpdoctor1.` + payload + `.` + checksum, broken into lines wherever that is convenient: blanks and
//! line ends mean nothing. The payload is JSON without its nulls in base64url (RFC 4648, section 5,
//! no padding), the checksum the first 12 hexadecimal digits of the payload's SHA-256.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ServerReport;

/// How the text begins; the number grows with every change that an older reader could not read.
const PREFIX: &str = "tcpdoctor1.";
/// What any version begins with.
const ANY_PREFIX: &str = "tcpdoctor";
/// The length of the checksum.
const CHECKSUM: usize = 12;
/// The longest line that is written.
const LINE: usize = 76;
/// The most bytes of text that are read: several times the largest honest one.
pub const MOST_TEXT: usize = 32 * 1024;

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was given.
    Empty,
    /// It has no code in it.
    NoCode,
    /// Another version wrote it.
    Version(String),
    /// There are several, of different reports.
    Several,
    /// It ends before its checksum.
    Truncated,
    /// A character that a code never has.
    Character(char),
    /// The checksum is that of another text.
    Checksum,
    /// It is far longer than any code.
    TooLong,
    /// The checksum is right, and what it covers is no report.
    Content(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Empty => f.write_str("it is empty"),
            Refusal::NoCode => write!(f, "there is no code in it; one begins with {PREFIX}"),
            Refusal::Version(found) => {
                write!(f, "it begins with {found}, and this version reads {PREFIX}")
            }
            Refusal::Several => f.write_str("there are several codes in it: paste one"),
            Refusal::Truncated => {
                f.write_str("its end is missing: copy all of it, down to the last line")
            }
            Refusal::Character(c) => {
                write!(f, "it is damaged: {:?} does not belong into it", c.to_string())
            }
            Refusal::Checksum => f.write_str("it is damaged: its checksum does not fit"),
            Refusal::TooLong => write!(f, "it is longer than {} KiB", MOST_TEXT / 1024),
            Refusal::Content(what) => write!(f, "it holds no report of a server: {what}"),
        }
    }
}

/// Writes the report as lines of text.
pub fn encode(report: &ServerReport) -> String {
    let mut value = serde_json::to_value(report).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    let payload = to_base64(value.to_string().as_bytes());
    let text = format!("{PREFIX}{payload}.{}", checksum(&payload));
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for (nth, c) in text.chars().enumerate() {
        if nth > 0 && nth % LINE == 0 {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines.push('\n');
    lines
}

/// How far a text that still grows has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More must come.
    Open,
    /// The checksum is there.
    Complete,
}

/// Says whether a text has a whole code in it.
pub fn progress(text: &str) -> Progress {
    match codes(text) {
        Ok(codes) if codes.iter().any(Result::is_ok) => Progress::Complete,
        _ => Progress::Open,
    }
}

/// Reads the report back; what stands around the code is skipped, also another one that is not whole.
///
/// # Errors
///
/// Returns why the text is not taken.
pub fn decode(text: &str) -> Result<ServerReport, Refusal> {
    let mut read: Result<ServerReport, Refusal> = Err(Refusal::NoCode);
    for code in codes(text)? {
        let report = code.and_then(|code| open(&code));
        match (&read, report) {
            (Ok(first), Ok(other)) if *first != other => return Err(Refusal::Several),
            (Ok(_), _) => {}
            (Err(_), report) => read = report,
        }
    }
    read
}

/// A payload, and the checksum that was written with it.
struct Code {
    payload: String,
    written: String,
}

fn open(code: &Code) -> Result<ServerReport, Refusal> {
    if checksum(&code.payload) != code.written {
        return Err(Refusal::Checksum);
    }
    let bytes = from_base64(&code.payload).ok_or(Refusal::Checksum)?;
    // serde_json refuses what is nested deeper than 128.
    let mut report: ServerReport =
        serde_json::from_slice(&bytes).map_err(|error| Refusal::Content(plain(&error)))?;
    report.bound();
    Ok(report)
}

/// Splits a text into its codes, whole or not; there is at least one.
fn codes(text: &str) -> Result<Vec<Result<Code, Refusal>>, Refusal> {
    if text.len() > MOST_TEXT {
        return Err(Refusal::TooLong);
    }
    if text.trim().is_empty() {
        return Err(Refusal::Empty);
    }
    let text: String = text.lines().flat_map(unquoted).collect();
    let mut starts: Vec<usize> = text.match_indices(PREFIX).map(|(at, _)| at).collect();
    if starts.is_empty() {
        return Err(other_version(&text));
    }
    starts.push(text.len());
    Ok(starts.windows(2).map(|both| code(&text[both[0] + PREFIX.len()..both[1]])).collect())
}

/// A line without what mail and chat programs put in: marks of a quotation, blanks, and invisible
/// characters.
fn unquoted(line: &str) -> impl Iterator<Item = char> {
    let line = line.trim_start_matches(|c: char| c == '>' || c == '|' || c.is_whitespace());
    let invisible = ['\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];
    line.chars().filter(move |c| !c.is_whitespace() && !invisible.contains(c))
}

/// Reads the payload and the checksum behind a prefix.
fn code(text: &str) -> Result<Code, Refusal> {
    let mut rest = text.chars();
    let mut payload = String::new();
    loop {
        match rest.next() {
            Some('.') => break,
            Some(c) if c.is_ascii_alphanumeric() || c == '-' || c == '_' => payload.push(c),
            Some(c) => return Err(Refusal::Character(c)),
            None => return Err(Refusal::Truncated),
        }
    }
    let written: String = rest.take(CHECKSUM).collect();
    if let Some(c) = written.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(Refusal::Character(c));
    }
    if written.len() < CHECKSUM {
        return Err(Refusal::Truncated);
    }
    Ok(Code { payload, written })
}

fn other_version(text: &str) -> Refusal {
    for (at, _) in text.match_indices(ANY_PREFIX) {
        let rest = &text[at + ANY_PREFIX.len()..];
        let number: String = rest.chars().take_while(char::is_ascii_digit).take(4).collect();
        if !number.is_empty() && rest[number.len()..].starts_with('.') {
            return Refusal::Version(format!("{ANY_PREFIX}{number}."));
        }
    }
    // A copy that begins in the middle has the prefix cut off.
    let cut = ["tcpdoctor1", "tcpdoctor"].iter().any(|start| text.ends_with(start));
    if cut { Refusal::Truncated } else { Refusal::NoCode }
}

/// The message without a place in a text that nobody sees.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn checksum(payload: &str) -> String {
    let digest = Sha256::digest(payload.as_bytes());
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    hex.take(CHECKSUM / 2).collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for chunk in bytes.chunks(3) {
        let byte = |nth: usize| u32::from(chunk.get(nth).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for nth in 0..=chunk.len() {
            let index = word >> (18 - 6 * nth) & 0x3f;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for (nth, byte) in chunk.iter().enumerate() {
            let index = ALPHABET.iter().position(|known| known == byte)?;
            word |= u32::try_from(index).ok()? << (18 - 6 * nth);
        }
        if chunk.len() < 2 {
            return None;
        }
        bytes.extend(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

/// Writes a code around any payload.
#[cfg(test)]
pub(super) fn forge(payload: &[u8]) -> String {
    let payload = to_base64(payload);
    format!("{PREFIX}{payload}.{}", checksum(&payload))
}
