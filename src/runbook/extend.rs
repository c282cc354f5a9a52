//! A runbook that is put together from several files: `extends` and `include`.
//!
//! Both end before the runbook is read: what is left is one tree, whose places tell which file each
//! part comes from. What `extends` does:
//!
//! 1. Keys at the top that the file writes replace those of the file below; `params` are merged name
//!    by name, `diagnoses` id by id, and `contacts` are added.
//! 2. A step of a new id is added; one with a kind (`probe`, `ask`, `decide`, `use`) replaces the step
//!    of the same id.
//! 3. A step without a kind changes the step of the same id: the keys that it writes replace that
//!    step's; `with` is merged name by name.
//! 4. `add: {branches: […], findings: […]}` in such a step puts branches before the step's own, and
//!    findings behind.
//! 5. `disable: STEP` turns a step off, and the walk goes on at STEP.
//! 6. Steps of the file below that nothing leads to any more are left out.
//!
//! The file below is right by itself, so whatever is wrong in it is wrong because of a change, and is
//! reported where that change is written.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::books::{Books, Found, Origin};
use super::code::Code;
use super::problem::Source;
use super::read::{Part, Reader};
use super::step::KINDS;
use super::yaml::{Key, Node, Yaml};

/// The most files that a runbook includes.
const MOST_INCLUDES: usize = 16;

/// What a file changes of the one that it extends.
#[derive(Default)]
pub(super) struct Changes {
    /// Where it says what it extends.
    pub(super) extends: Option<Range<usize>>,
    /// The steps and parameters that it changes: their names, and where it names them.
    pub(super) named: Vec<(String, Range<usize>)>,
    /// The steps of the file below: names and places.
    pub(super) below: Vec<(String, Range<usize>)>,
}

type Entries = Vec<(Key, Node)>;

impl Reader {
    /// Takes `include` and `extends` out of a tree by doing what they say.
    pub(super) fn put_together(&mut self, root: Node, books: &mut Books<'_>) -> Option<Node> {
        let Yaml::Map(mut own) = root.value else {
            return Some(root);
        };
        let extends = take(&mut own, "extends");
        if let Some((_, node)) = take(&mut own, "include") {
            self.include(&mut own, &node, books);
        }
        if let Some((_, node)) = extends {
            let below = self.below(&node, books)?;
            own = self.merged(own, below);
        }
        Some(Node { value: Yaml::Map(own), span: root.span })
    }

    /// Adds a file to those that the tree is put together from, and parses it.
    fn add_part(&mut self, found: &Found, below: bool) -> Option<Node> {
        // One byte between two texts keeps the end of one from being the start of the next.
        let end = |part: &Part| part.offset + part.source.text.len() + 1;
        let offset = self.parts.last().map_or(0, end);
        let source = Source { name: found.origin.name(), text: found.shown().to_owned() };
        let (source, origin) = (Arc::new(source), found.origin.clone());
        let objection = found.objection.clone();
        self.parts.push(Part { offset, source, origin, objection, below });
        self.tree(&found.text, offset)
    }

    /// Returns the folder of the file that holds a place; `None` for what is part of the program.
    pub(super) fn folder_at(&self, place: usize) -> Option<PathBuf> {
        match &self.part(place).origin {
            Origin::File(path) => path.parent().map(PathBuf::from),
            Origin::Builtin(_) => None,
        }
    }

    /// Adds the diagnoses of the files that `include` lists.
    fn include(&mut self, own: &mut Entries, node: &Node, books: &mut Books<'_>) {
        let files = self.texts(node, "`include`").unwrap_or_default();
        if files.len() > MOST_INCLUDES {
            let message = format!("more than {MOST_INCLUDES} files are included");
            self.wrong(Code::BOUNDS, &node.span, message, None);
            return;
        }
        let mut all = take(own, "diagnoses");
        for (name, place) in files {
            let below = self.part(place.span.start).below;
            let near = self.folder_at(place.span.start);
            let found = match books.included(name, near.as_deref()) {
                Ok(found) => found,
                Err((code, message, help)) => {
                    self.wrong(code, &place.span, message, help);
                    continue;
                }
            };
            let Some(entries) = self.add_part(&found, below).and_then(|root| {
                let what = "an included file";
                let fields = self.fields(&root, what, &["format", "diagnoses"])?;
                self.format(fields, &root, what);
                fields_of(self.need(fields, &root, what, "diagnoses")?.clone(), self)
            }) else {
                continue;
            };
            let (_, here) = all.get_or_insert_with(|| {
                let key = Key { name: "diagnoses".to_owned(), span: place.span.clone() };
                (key, Node { value: Yaml::Map(Vec::new()), span: place.span.clone() })
            });
            if let Yaml::Map(here) = &mut here.value {
                here.extend(entries);
            }
        }
        own.extend(all);
    }

    /// Finds and parses the file that is extended, which is right by itself.
    fn below(&mut self, node: &Node, books: &mut Books<'_>) -> Option<Entries> {
        let name = self.text(node, "`extends`")?.to_owned();
        let near = self.folder_at(node.span.start);
        let found = match books.extended(&name, near.as_deref()) {
            Ok(found) => found,
            Err((code, message, help)) => {
                self.wrong(code, &node.span, message, help);
                return None;
            }
        };
        let first = self.changes.extends.is_none();
        if first {
            self.changes.extends = Some(node.span.clone());
        }
        books.open(&found.origin);
        let tree = self.add_part(&found, true);
        let tree = tree.and_then(|tree| self.put_together(tree, books));
        books.close();
        let Yaml::Map(entries) = tree?.value else {
            return None;
        };
        if first && let Some(Yaml::Map(steps)) = find(&entries, "steps").map(|node| &node.value) {
            let place = |(key, node): &(Key, Node)| {
                (key.name.clone(), key.span.start..node.span.end.max(key.span.end))
            };
            self.changes.below = steps.iter().map(place).collect();
        }
        Some(entries)
    }

    /// Puts a file over the one that it extends.
    fn merged(&mut self, own: Entries, below: Entries) -> Entries {
        let mut out = Vec::with_capacity(own.len() + below.len());
        let mut below = below;
        for (key, node) in own {
            let under = take(&mut below, &key.name).map(|(_, node)| node);
            let node = match (key.name.as_str(), under) {
                ("steps", Some(under)) => {
                    self.over(node, under, &|reader, own, below| reader.step_over(own, below))
                }
                ("params", Some(under)) => {
                    self.over(node, under, &|_, own, below| match find_in(&own, "type") {
                        Some(_) => own,
                        None => keys_over(own, below),
                    })
                }
                ("diagnoses", Some(under)) => self.over(node, under, &|_, own, _| own),
                ("contacts", Some(under)) => behind(under, node),
                (_, _) => node,
            };
            out.push((key, node));
        }
        // Every file says these for itself.
        below.retain(|(key, _)| !matches!(key.name.as_str(), "format" | "name"));
        out.extend(below);
        out
    }

    /// Puts a mapping over another, in the order of the one below; `both` makes one of two values.
    fn over(
        &mut self,
        own: Node,
        below: Node,
        both: &dyn Fn(&mut Reader, Node, Node) -> Node,
    ) -> Node {
        let (mut entries, below) = match (own.value, below.value) {
            (Yaml::Map(own), Yaml::Map(below)) => (own, below),
            (value, _) => return Node { value, span: own.span },
        };
        let mut out = Vec::with_capacity(entries.len() + below.len());
        for (key, node) in below {
            let Some((own_key, own)) = take(&mut entries, &key.name) else {
                out.push((key, node));
                continue;
            };
            if !self.part(own_key.span.start).below {
                self.changes.named.push((own_key.name.clone(), own_key.span.clone()));
            }
            out.push((own_key, both(self, own, node)));
        }
        // What is new, and what is written twice.
        out.extend(entries);
        Node { value: Yaml::Map(out), span: own.span }
    }

    /// Makes one step of what the file writes and the step below.
    fn step_over(&mut self, own: Node, below: Node) -> Node {
        let Yaml::Map(entries) = &own.value else {
            return own;
        };
        if entries.iter().any(|(key, _)| KINDS.contains(&key.name.as_str())) {
            return own;
        }
        let Node { value: Yaml::Map(mut entries), span } = own else {
            return own;
        };
        let add = take(&mut entries, "add");
        let own = Node { value: Yaml::Map(entries), span };
        let mut step = keys_over(own, below);
        let Some((_, add)) = add else {
            return step;
        };
        // What `add` has besides these two is complained about.
        let _ = self.fields(&add, "`add`", &["branches", "findings"]);
        if let (Yaml::Map(step), Yaml::Map(add)) = (&mut step.value, add.value) {
            for (key, more) in add {
                let place = step.iter_mut().find(|(known, _)| known.name == key.name);
                match (place, key.name.as_str()) {
                    (Some((_, list)), "branches") => *list = behind(more, list.clone()),
                    (Some((_, list)), "findings") => *list = behind(list.clone(), more),
                    (None, "branches" | "findings") => step.push((key, more)),
                    _ => {}
                }
            }
        }
        step
    }
}

/// Reads the entries of a mapping that is to be taken apart.
fn fields_of(node: Node, reader: &mut Reader) -> Option<Entries> {
    reader.entries(&node, "`diagnoses`")?;
    match node.value {
        Yaml::Map(entries) => Some(entries),
        _ => None,
    }
}

/// Puts the keys of one mapping over those of another; `with` is merged name by name.
fn keys_over(own: Node, below: Node) -> Node {
    let (mut out, below) = match (own.value, below.value) {
        (Yaml::Map(own), Yaml::Map(below)) => (own, below),
        (value, _) => return Node { value, span: own.span },
    };
    for (key, node) in below {
        match out.iter_mut().find(|(known, _)| known.name == key.name) {
            Some((_, with)) if key.name == "with" => {
                let own = std::mem::replace(with, Node { value: Yaml::Null, span: 0..0 });
                *with = keys_over(own, node);
            }
            Some(_) => {}
            None => out.push((key, node)),
        }
    }
    Node { value: Yaml::Map(out), span: own.span }
}

/// Puts one list behind another; what is no list stays, to be complained about.
fn behind(first: Node, second: Node) -> Node {
    match (first.value, second.value) {
        (Yaml::List(mut items), Yaml::List(more)) => {
            items.extend(more);
            Node { value: Yaml::List(items), span: first.span }
        }
        (Yaml::List(_), value) => Node { value, span: second.span },
        (value, _) => Node { value, span: first.span },
    }
}

fn take(entries: &mut Entries, name: &str) -> Option<(Key, Node)> {
    let at = entries.iter().position(|(key, _)| key.name == name)?;
    Some(entries.remove(at))
}

fn find<'a>(entries: &'a Entries, name: &str) -> Option<&'a Node> {
    entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

fn find_in<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    match &node.value {
        Yaml::Map(entries) => find(entries, name),
        _ => None,
    }
}
