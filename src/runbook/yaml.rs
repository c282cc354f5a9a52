//! YAML text to a tree in which every key and value knows its place.
//!
//! The only module that knows the YAML library. It is strict: no tabs in the indentation, no custom
//! tags, one document, bounded size, depth and aliases.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use super::code::Code;

/// The largest file, in bytes.
pub(super) const LARGEST: usize = 1 << 20;
/// The most nodes, aliases expanded.
const MOST_NODES: usize = 30_000;
/// The deepest nesting.
const DEEPEST: usize = 24;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Yaml,
    /// Where it is, in bytes of the file; an alias is where it is used.
    pub(super) span: Range<usize>,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// Why there is no tree.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) code: Code,
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Yaml {
    /// Names the kind of value for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "true or false",
            Yaml::Int(_) | Yaml::Float(_) => "a number",
            Yaml::Text(_) => "text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a mapping",
        }
    }
}

/// Parses a file.
pub(super) fn parse(text: &str) -> Result<Node, Broken> {
    if text.len() > LARGEST {
        return Err(Broken {
            code: Code::BOUNDS,
            span: 0..0,
            message: format!("the file is larger than {} KiB", LARGEST / 1024),
            help: None,
        });
    }
    no_tabs(text)?;
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_nodes: MOST_NODES,
            max_events: MOST_NODES * 4,
            max_aliases: 1000,
            max_anchors: 1000,
            max_merge_keys: 100,
            max_recorded_anchor_events: MOST_NODES * 4,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MOST_NODES,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 500,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Ok(place(root)),
        Err(error) => Err(broken(text, &error)),
    }
}

/// YAML forbids tabs as indentation, but the parser lets some pass with another meaning.
fn no_tabs(text: &str) -> Result<(), Broken> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            if !line.trim().is_empty() {
                return Err(Broken {
                    code: Code::YAML,
                    span: start + tab..start + tab + 1,
                    message: "a tab stands in the indentation".to_owned(),
                    help: Some("YAML is indented with spaces only".to_owned()),
                });
            }
        }
        start += line.len();
    }
    Ok(())
}

fn broken(text: &str, error: &serde_saphyr::Error) -> Broken {
    let error = error.without_snippet();
    let rendered = error.to_string();
    let code = match rendered.as_str() {
        text if text.contains("budget") || text.contains("limit") || text.contains("depth") => {
            Code::BOUNDS
        }
        _ => Code::YAML,
    };
    let span = error.location().map_or(0..0, |place| span_of(text, place));
    Broken { code, span, message: rendered, help: None }
}

fn span_of(text: &str, place: Location) -> Range<usize> {
    let span = place.span();
    if let (Some(offset), Some(length)) = (span.byte_offset(), span.byte_len()) {
        let start = usize::try_from(offset).unwrap_or(0).min(text.len());
        let end = usize::try_from(offset + length).unwrap_or(0).min(text.len());
        return start..end.max(start);
    }
    // Without byte offsets only line and column are left.
    let line = usize::try_from(place.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(place.column()).unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..).unwrap_or("");
    let within = rest.char_indices().nth(column).map_or(0, |(at, _)| at);
    start + within..start + within
}

fn bytes_of(place: Location) -> Range<usize> {
    let span = place.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(0);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    start..start.saturating_add(length)
}

/// A value as the deserializer hands it over.
enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn place(raw: Spanned<Raw>) -> Node {
    let span = bytes_of(raw.referenced);
    let value = match raw.value {
        Raw::Null => Yaml::Null,
        Raw::Bool(value) => Yaml::Bool(value),
        Raw::Int(value) => Yaml::Int(value),
        Raw::Float(value) => Yaml::Float(value),
        Raw::Text(value) => Yaml::Text(value),
        Raw::List(items) => Yaml::List(items.into_iter().map(place).collect()),
        Raw::Map(entries) => Yaml::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Key { span: bytes_of(key.referenced), name: key.value };
                    (key, place(value))
                })
                .collect(),
        ),
    };
    Node { value, span }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Raw, E> {
        i64::try_from(value).map(Raw::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Raw, E> {
        if value.is_finite() {
            Ok(Raw::Float(value))
        } else {
            Err(E::custom("the number is not finite"))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            if entries.len() >= MOST_NODES {
                return Err(A::Error::custom("the mapping has too many keys"));
            }
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}
