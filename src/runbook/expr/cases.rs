//! The cases in which a condition is true, as far as its form shows them: which conditions contradict
//! themselves, and which are true only when another one is.
//!
//! Sound for the three-valued logic of runbooks: a condition that is true makes every part of one of
//! its cases true, none of them unknown. What cannot be told apart is left alone, so nothing is said
//! about it.

use std::collections::{BTreeMap, BTreeSet};

use cel_core::BinaryOp;
use serde_json::Value;

use super::ast::{Ast, Node};
use super::doubt::{is_null, path_of};

/// The most cases that are told apart.
const MOST: usize = 64;

/// The cases of one condition.
#[derive(Debug, Clone)]
pub struct Cases {
    /// Those that may come about.
    cases: Vec<Case>,
    /// Why the first of the others cannot, one clause.
    contradiction: Option<String>,
}

/// What holds together in one case.
#[derive(Debug, Clone, Default)]
struct Case {
    /// What may be the value of something that is compared with texts.
    words: BTreeMap<String, BTreeSet<String>>,
    /// What it cannot be, where there is no closed vocabulary.
    barred: BTreeMap<String, BTreeSet<String>>,
    /// Between which numbers something lies.
    ranges: BTreeMap<String, Range>,
    /// Other parts as they are written, with whether each is true.
    parts: BTreeMap<String, bool>,
    /// Why it cannot come about.
    contradiction: Option<String>,
}

/// From `low` to `high`; the bounds themselves belong to it where they are `true`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    low: (f64, bool),
    high: (f64, bool),
}

impl Cases {
    /// Returns why the condition is never true, if so.
    pub fn contradiction(&self) -> Option<&str> {
        if self.cases.is_empty() { self.contradiction.as_deref() } else { None }
    }

    /// Returns how many cases there are.
    pub fn count(&self) -> usize {
        self.cases.len()
    }

    /// Says whether some of these conditions is true whenever this one is; returns the last of them
    /// that it takes, by its position.
    pub fn within(&self, earlier: &[Option<Cases>]) -> Option<usize> {
        let mut last = None;
        for case in &self.cases {
            let covering = |other: &Option<Cases>| {
                other.as_ref().is_some_and(|other| other.cases.iter().any(|c| case.implies(c)))
            };
            last = last.max(Some(earlier.iter().position(covering)?));
        }
        last
    }
}

/// See [`Expr::cases`](super::Expr::cases).
pub(super) fn cases(
    ast: &Ast,
    source: &str,
    words: &dyn Fn(&str) -> Option<Vec<String>>,
) -> Option<Cases> {
    let search = Search { source, words };
    let mut found = Vec::new();
    for case in search.cases(ast, true)? {
        found.extend(case.one_word_each()?);
        if found.len() > MOST {
            return None;
        }
    }
    let contradiction = found.iter().find_map(|case| case.contradiction.clone());
    found.retain(|case| case.contradiction.is_none());
    Some(Cases { cases: found, contradiction })
}

struct Search<'a> {
    source: &'a str,
    words: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

impl Search<'_> {
    /// Returns the cases in which a condition is `truth`.
    fn cases(&self, ast: &Ast, truth: bool) -> Option<Vec<Case>> {
        match &ast.node {
            Node::Not(of) => self.cases(of, !truth),
            Node::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
                let (left, right) = (self.cases(left, truth)?, self.cases(right, truth)?);
                if (*op == BinaryOp::And) != truth {
                    let both: Vec<Case> = left.into_iter().chain(right).collect();
                    return (both.len() <= MOST).then_some(both);
                }
                if left.len() * right.len() > MOST {
                    return None;
                }
                let pairs = left.iter().flat_map(|l| right.iter().map(|r| l.clone().and(r)));
                Some(pairs.collect())
            }
            Node::Literal(Value::Bool(value)) if *value == truth => Some(vec![Case::default()]),
            Node::Literal(Value::Bool(value)) => {
                let why = Some(format!("it says {value}"));
                Some(vec![Case { contradiction: why, ..Case::default() }])
            }
            _ => Some(vec![self.part(ast, truth)]),
        }
    }

    fn part(&self, ast: &Ast, truth: bool) -> Case {
        let mut case = Case::default();
        let known = match &ast.node {
            Node::Binary(op @ (BinaryOp::Eq | BinaryOp::Ne), left, right) => {
                self.equality(&mut case, left, right, (*op == BinaryOp::Eq) == truth)
            }
            Node::Binary(BinaryOp::In, left, right) => match &right.node {
                Node::List(items) => items
                    .iter()
                    .map(text)
                    .collect::<Option<BTreeSet<String>>>()
                    .is_some_and(|items| self.one_of(&mut case, left, items, truth)),
                _ => false,
            },
            Node::Binary(op, left, right) => self.order(&mut case, *op, left, right, truth),
            _ => false,
        };
        if !known {
            case.parts.insert(self.written(ast), truth);
        }
        case
    }

    fn equality(&self, case: &mut Case, left: &Ast, right: &Ast, equal: bool) -> bool {
        let (of, literal) =
            if matches!(left.node, Node::Literal(_)) { (right, left) } else { (left, right) };
        if is_null(literal) {
            case.parts.insert(format!("{} == null", self.written(of)), equal);
            return true;
        }
        match &literal.node {
            Node::Literal(Value::String(text)) => {
                self.one_of(case, of, BTreeSet::from([text.clone()]), equal)
            }
            Node::Literal(Value::Bool(value)) => {
                case.parts.insert(self.written(of), *value == equal);
                true
            }
            Node::Literal(Value::Number(number)) if equal => match number.as_f64() {
                Some(number) => {
                    let range = Range { low: (number, true), high: (number, true) };
                    case.ranges.insert(self.written(of), range);
                    true
                }
                None => false,
            },
            _ => {
                // `a != b` is `!(a == b)`, for what is neither null nor unknown.
                let both = format!("{} == {}", self.written(left), self.written(right));
                case.parts.insert(both, equal);
                true
            }
        }
    }

    fn one_of(&self, case: &mut Case, of: &Ast, items: BTreeSet<String>, truth: bool) -> bool {
        let name = self.written(of);
        let vocabulary = path_of(of).and_then(|path| (self.words)(&path));
        match (truth, vocabulary) {
            (true, _) => case.words.insert(name, items),
            (false, Some(all)) => {
                let left = all.into_iter().filter(|word| !items.contains(word)).collect();
                case.words.insert(name, left)
            }
            (false, None) => case.barred.insert(name, items),
        };
        true
    }

    fn order(&self, case: &mut Case, op: BinaryOp, left: &Ast, right: &Ast, truth: bool) -> bool {
        let number = |ast: &Ast| match &ast.node {
            Node::Literal(Value::Number(number)) => number.as_f64(),
            Node::Negate(of) => match &of.node {
                Node::Literal(Value::Number(number)) => number.as_f64().map(|number| -number),
                _ => None,
            },
            _ => None,
        };
        let (of, bound, mirrored) = match (number(left), number(right)) {
            (None, Some(bound)) => (left, bound, false),
            (Some(bound), None) => (right, bound, true),
            _ => return false,
        };
        let (above, with) = match op {
            BinaryOp::Gt => (true, false),
            BinaryOp::Ge => (true, true),
            BinaryOp::Lt => (false, false),
            BinaryOp::Le => (false, true),
            _ => return false,
        };
        // `5 < x` is `x > 5`; what is not above is at most.
        let (above, with) = (above != mirrored, with);
        let (above, with) = if truth { (above, with) } else { (!above, !with) };
        let all = Range { low: (f64::NEG_INFINITY, true), high: (f64::INFINITY, true) };
        let range = if above {
            Range { low: (bound, with), ..all }
        } else {
            Range { high: (bound, with), ..all }
        };
        case.ranges.insert(self.written(of), range);
        true
    }

    /// Returns a part as it is written, without the blanks that mean nothing.
    fn written(&self, ast: &Ast) -> String {
        let source = self.source.get(ast.span.clone()).unwrap_or_default();
        let mut out = String::with_capacity(source.len());
        let mut quote = None;
        for c in source.chars() {
            match quote {
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' => quote = Some(c),
                None if c.is_whitespace() => continue,
                _ => {}
            }
            out.push(c);
        }
        while let Some(inner) = unwrapped(&out) {
            out = inner.to_owned();
        }
        out
    }
}

/// Takes off a pair of brackets around the whole.
fn unwrapped(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0i32;
    for c in inner.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return None;
        }
    }
    (!inner.contains(['"', '\''])).then_some(inner)
}

fn text(ast: &Ast) -> Option<String> {
    match &ast.node {
        Node::Literal(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

impl Case {
    /// Adds what holds in the other.
    fn and(mut self, other: &Case) -> Case {
        self.contradiction = self.contradiction.or_else(|| other.contradiction.clone());
        for (name, words) in &other.words {
            let mine = self.words.entry(name.clone()).or_insert_with(|| words.clone());
            let both: BTreeSet<String> = mine.intersection(words).cloned().collect();
            if both.is_empty() && !mine.is_empty() && !words.is_empty() {
                let (a, b) = (one(mine), one(words));
                self.contradiction.get_or_insert(format!("`{name}` cannot be both {a} and {b}"));
            }
            *mine = both;
        }
        for (name, words) in &other.barred {
            self.barred.entry(name.clone()).or_default().extend(words.iter().cloned());
        }
        for (name, range) in &other.ranges {
            let mine = self.ranges.entry(name.clone()).or_insert(*range);
            *mine = mine.and(*range);
            if mine.is_empty() {
                self.contradiction.get_or_insert(format!("no number fits all bounds of `{name}`"));
            }
        }
        for (part, truth) in &other.parts {
            if *self.parts.entry(part.clone()).or_insert(*truth) != *truth {
                self.contradiction.get_or_insert(format!("`{part}` cannot be both true and false"));
            }
        }
        self.against_barred();
        self.against_null();
        self
    }

    fn against_barred(&mut self) {
        for (name, barred) in &self.barred {
            if let Some(words) = self.words.get_mut(name) {
                let before = one(words);
                words.retain(|word| !barred.contains(word));
                if words.is_empty() {
                    let why = format!("`{name}` cannot be {before} and something else");
                    self.contradiction.get_or_insert(why);
                }
            }
        }
    }

    /// What is null has no value and no fields.
    fn against_null(&mut self) {
        let nulls = self.parts.iter().filter(|(_, truth)| **truth);
        let nulls: Vec<&str> =
            nulls.filter_map(|(part, _)| part.strip_suffix(" == null")).collect();
        for null in nulls {
            let below = |name: &String| {
                name.strip_prefix(null).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let values = self.words.keys().chain(self.barred.keys()).chain(self.ranges.keys());
            let bools = self.parts.keys().filter(|part| !part.ends_with(" == null"));
            if let Some(name) = values.chain(bools).find(|name| below(name)) {
                let why = format!("`{null}` cannot be null where `{name}` has a value");
                self.contradiction.get_or_insert(why);
                return;
            }
        }
    }

    /// Splits it so that every word stands for itself.
    fn one_word_each(self) -> Option<Vec<Case>> {
        let mut cases = vec![self];
        let names: Vec<String> = cases[0].words.keys().cloned().collect();
        for name in names {
            let mut split = Vec::new();
            for case in cases {
                let words = case.words.get(&name).cloned().unwrap_or_default();
                if words.len() < 2 {
                    split.push(case);
                    continue;
                }
                for word in words {
                    let mut one = case.clone();
                    one.words.insert(name.clone(), BTreeSet::from([word]));
                    split.push(one);
                }
                if split.len() > MOST {
                    return None;
                }
            }
            cases = split;
        }
        Some(cases)
    }

    /// Whether the other holds whenever this one does.
    fn implies(&self, other: &Case) -> bool {
        let words = other
            .words
            .iter()
            .all(|(name, words)| self.words.get(name).is_some_and(|mine| mine.is_subset(words)));
        let barred = other.barred.iter().all(|(name, barred)| {
            let away = self.words.get(name).is_some_and(|mine| mine.is_disjoint(barred));
            away || self.barred.get(name).is_some_and(|mine| mine.is_superset(barred))
        });
        let ranges = other.ranges.iter().all(|(name, range)| {
            self.ranges.get(name).is_some_and(|mine| mine.and(*range) == *mine)
        });
        let parts = other.parts.iter().all(|(part, truth)| {
            // What has a value is not null.
            let has_value = part.strip_suffix(" == null").is_some_and(|name| {
                !truth && (self.words.contains_key(name) || self.ranges.contains_key(name))
            });
            has_value || self.parts.get(part) == Some(truth)
        });
        words && barred && ranges && parts
    }
}

fn one(words: &BTreeSet<String>) -> String {
    let listed: Vec<String> = words.iter().take(3).map(|word| format!("`{word}`")).collect();
    listed.join(" or ")
}

impl Range {
    fn and(self, other: Range) -> Range {
        let low = if (other.low.0, !other.low.1) > (self.low.0, !self.low.1) {
            other.low
        } else {
            self.low
        };
        let high = if (other.high.0, other.high.1) < (self.high.0, self.high.1) {
            other.high
        } else {
            self.high
        };
        Range { low, high }
    }

    fn is_empty(self) -> bool {
        self.low.0 > self.high.0 || (self.low.0 == self.high.0 && !(self.low.1 && self.high.1))
    }
}
