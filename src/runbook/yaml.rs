//! YAML text to a tree in which every key and value knows its place.
//!
//! The only module that knows the YAML library. It takes less than YAML offers: one document, texts
//! as keys, no tags, no directives, no tabs in the indentation; anchors and aliases within bounds.
//! Plain scalars are typed as in the core schema of YAML 1.2, so `yes` and `no` are texts.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};

use super::code::Code;

/// The largest file, in bytes.
pub(super) const LARGEST: usize = 2 << 20;
/// The bounds of runbooks and catalogue files.
const BOUNDS: Bounds = Bounds { bytes: LARGEST, nodes: 200_000 };
/// The deepest nesting.
const DEEPEST: usize = 24;

/// How much a file may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most bytes.
    pub(super) bytes: usize,
    /// The most values, aliases expanded.
    pub(super) nodes: usize,
}

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

impl Node {
    /// Moves every place by `offset` bytes.
    pub(super) fn shift(&mut self, offset: usize) {
        let moved = |span: &Range<usize>| span.start + offset..span.end + offset;
        self.span = moved(&self.span);
        match &mut self.value {
            Yaml::List(items) => items.iter_mut().for_each(|item| item.shift(offset)),
            Yaml::Map(entries) => {
                for (key, value) in entries {
                    key.span = moved(&key.span);
                    value.shift(offset);
                }
            }
            _ => {}
        }
    }
}

/// Parses a file.
pub(super) fn parse(text: &str) -> Result<Node, Broken> {
    parse_within(text, &BOUNDS)
}

/// Parses a file with bounds of its own.
pub(super) fn parse_within(text: &str, bounds: &Bounds) -> Result<Node, Broken> {
    if text.len() > bounds.bytes {
        let message = format!("the file is larger than {} MiB", bounds.bytes >> 20);
        return Err(broken(Code::BOUNDS, 0..0, message, None));
    }
    no_tabs(text)?;
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut tree = Tree { text, most: bounds.nodes, ..Tree::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| scan_error(text, &error))?;
        tree.take(event, bytes(text, span))?;
    }
    Ok(tree.root.unwrap_or(Node { value: Yaml::Null, span: 0..0 }))
}

fn broken(
    code: Code,
    span: Range<usize>,
    message: impl Into<String>,
    help: Option<&str>,
) -> Broken {
    Broken { code, span, message: message.into(), help: help.map(str::to_owned) }
}

/// YAML forbids tabs as indentation, but parsers let some pass with another meaning.
fn no_tabs(text: &str) -> Result<(), Broken> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let (Some(tab), false) = (line[..indent].find('\t'), line.trim().is_empty()) {
            let span = start + tab..start + tab + 1;
            let help = Some("YAML is indented with spaces only");
            return Err(broken(Code::YAML, span, "a tab stands in the indentation", help));
        }
        start += line.len();
    }
    Ok(())
}

fn bytes(text: &str, span: Span) -> Range<usize> {
    let at = |marker: granit_parser::Marker| marker.byte_offset().unwrap_or(0).min(text.len());
    let (start, end) = (at(span.start), at(span.end));
    start..end.max(start)
}

fn scan_error(text: &str, error: &ScanError) -> Broken {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let span = at..at + length;
    let (message, help) = match error.kind() {
        ErrorKind::RecursionLimitExceeded => {
            let message = format!("lists and mappings are nested deeper than {DEEPEST}");
            return broken(Code::BOUNDS, span, message, None);
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => {
            ("a colon does not fit here", "a text with a colon and a blank in it is put in quotes")
        }
        ErrorKind::SimpleKeyExpected => {
            ("this line is neither a key nor part of the text above", "is a colon missing?")
        }
        ErrorKind::ExpectedBlockMappingKey => {
            ("a key was expected here", "is the indentation that of the lines above?")
        }
        ErrorKind::ExpectedFlowMappingSeparator => {
            ("a comma or } was expected here", "a text with { } [ ] in it is put in quotes")
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            ("a comma or ] was expected here", "a text with { } [ ] in it is put in quotes")
        }
        ErrorKind::UnclosedQuotedScalar => ("this quote is never closed", ""),
        ErrorKind::InvalidQuotedScalarIndent => {
            ("a quoted text ends here without its quote", "is the quote above never closed?")
        }
        ErrorKind::UnclosedFlowCollection { .. } => ("this bracket is never closed", ""),
        ErrorKind::UnknownAnchor => ("no anchor above has this name", ""),
        ErrorKind::DirectiveDisallowed => ("YAML directives are not offered", ""),
        ErrorKind::UnexpectedCharacter { .. } => {
            ("a text cannot begin with this character", "put the text in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            ("this escape does not exist", "in '…' a backslash is just a backslash")
        }
        other => return broken(Code::YAML, span, other.to_string(), None),
    };
    broken(Code::YAML, span, message, (!help.is_empty()).then_some(help))
}

/// The tree while it is built.
#[derive(Default)]
struct Tree<'a> {
    text: &'a str,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    /// How many there may be.
    most: usize,
    /// Finished nodes by anchor, with how many nodes they hold.
    anchors: HashMap<usize, (Node, usize)>,
}

/// A list or mapping that is still open.
struct Open {
    children: Children,
    start: usize,
    anchor: usize,
    /// How many nodes there were before it.
    before: usize,
}

enum Children {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "a second document begins here";
                return Err(broken(Code::YAML, span, message, Some("one file holds one document")));
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tag(tag.is_some(), &span)?;
                self.count(1, &span)?;
                if self.awaits_key() {
                    return self.key(text.into_owned(), anchor, span);
                }
                let value = match style {
                    ScalarStyle::Plain => typed(&text),
                    _ => Yaml::Text(text.into_owned()),
                };
                let node = Node { value, span };
                self.keep(anchor, &node, 1);
                self.add(node);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.no_tag(tag.is_some(), &span)?;
                self.enter(Children::List(Vec::new()), anchor, span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.no_tag(tag.is_some(), &span)?;
                self.enter(Children::Map(Vec::new(), None), anchor, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(span.end),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    let message = "this alias stands inside what it repeats";
                    return Err(broken(Code::BOUNDS, span, message, None));
                };
                if self.awaits_key() {
                    return Err(broken(Code::YAML, span, "an alias cannot be a key", None));
                }
                let (mut node, size) = (node.clone(), *size);
                self.count(size, &span)?;
                node.span = span;
                self.add(node);
            }
            _ => {}
        }
        Ok(())
    }

    fn no_tag(&self, tagged: bool, span: &Range<usize>) -> Result<(), Broken> {
        if tagged {
            // The tag stands before the value; the value's place is the nearest that is known.
            let line = self.text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
            let tag = self.text[line..span.start].find('!').map_or(span.start, |at| line + at);
            let span = tag..span.start.max(tag + 1).min(self.text.len().max(tag));
            let message = "YAML tags such as !name are not offered";
            return Err(broken(Code::YAML, span, message, Some("take the tag out")));
        }
        Ok(())
    }

    fn count(&mut self, more: usize, span: &Range<usize>) -> Result<(), Broken> {
        self.nodes += more;
        if self.nodes > self.most {
            let message =
                format!("the file holds more than {} values, aliases expanded", self.most);
            return Err(broken(Code::BOUNDS, span.clone(), message, None));
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { children: Children::Map(_, None), .. }))
    }

    fn key(&mut self, name: String, anchor: usize, span: Range<usize>) -> Result<(), Broken> {
        if anchor != 0 {
            return Err(broken(Code::YAML, span, "a key cannot have an anchor", None));
        }
        if let Some(Open { children: Children::Map(_, key), .. }) = self.open.last_mut() {
            *key = Some(Key { name, span });
        }
        Ok(())
    }

    fn enter(
        &mut self,
        children: Children,
        anchor: usize,
        span: Range<usize>,
    ) -> Result<(), Broken> {
        if self.awaits_key() {
            let help = Some("a text that begins with { or [ is put in quotes");
            return Err(broken(Code::YAML, span, "a list or mapping cannot be a key", help));
        }
        if self.open.len() >= DEEPEST {
            let message = format!("lists and mappings are nested deeper than {DEEPEST}");
            return Err(broken(Code::BOUNDS, span, message, None));
        }
        let before = self.nodes;
        self.count(1, &span)?;
        self.open.push(Open { children, start: span.start, anchor, before });
        Ok(())
    }

    fn leave(&mut self, end: usize) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let value = match open.children {
            Children::List(items) => Yaml::List(items),
            Children::Map(entries, _) => Yaml::Map(entries),
        };
        let node = Node { value, span: open.start..end.max(open.start) };
        self.keep(open.anchor, &node, self.nodes - open.before);
        self.add(node);
    }

    fn keep(&mut self, anchor: usize, node: &Node, size: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.children) {
            Some(Children::List(items)) => items.push(node),
            Some(Children::Map(entries, key)) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
            None => self.root = Some(node),
        }
    }
}

/// Whether a text, written plain, is read as text.
pub(super) fn is_plain_text(text: &str) -> bool {
    matches!(typed(text), Yaml::Text(_))
}

/// Types a plain scalar as the core schema does (YAML 1.2, 10.3.2), only that numbers with leading
/// zeros, octal numbers and infinities are texts.
pub(super) fn typed(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "true" | "True" | "TRUE" => return Yaml::Bool(true),
        "false" | "False" | "FALSE" => return Yaml::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0') && digits(unsigned);
    if digits(unsigned) && !leading_zero {
        return text.parse().map_or_else(|_| Yaml::Text(text.to_owned()), Yaml::Int);
    }
    if let Some(hexadecimal) = text.strip_prefix("0x")
        && let Ok(int) = i64::from_str_radix(hexadecimal, 16)
    {
        return Yaml::Int(int);
    }
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    match text.parse::<f64>() {
        Ok(float) if numeric && !leading_zero && float.is_finite() => Yaml::Float(float),
        _ => Yaml::Text(text.to_owned()),
    }
}
