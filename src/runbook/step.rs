//! Steps: what they do, and the arms that lead out of them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::branch::{Arm, Around};
use super::code::Code;
use super::expr::{Scope, Template};
use super::keys::Group;
use super::problem::did_you_mean;
use super::read::{Fields, Reader};
use super::yaml::{Key, Node, Yaml};
use super::{Branch, Kind, Meanwhile, Next, Step, types};
use crate::model::layer::Layer;
use crate::model::types::Type;
use crate::probe::{REGISTRY, Spec};

/// The keys that make a step what it is.
pub(super) const KINDS: [&str; 4] = ["probe", "ask", "decide", "use"];
/// The longest wait before a step is started early.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A step with the places that later checks point at.
pub(super) struct Draft {
    pub(super) step: Step,
    pub(super) id: Range<usize>,
    /// Where the `branches` are, or the step when it has none.
    pub(super) branches: Range<usize>,
    /// Beside the step's branches: the condition's node and the destination.
    pub(super) arms: Vec<(Option<Node>, Range<usize>)>,
    /// Where the steps to start early are named.
    pub(super) early: Vec<Range<usize>>,
    /// Where a step that is turned off leads, and where that is written.
    pub(super) disabled: Option<(Next, Range<usize>)>,
    /// Where `unknown`, `no_input` and the choices say where they lead, in that order.
    pub(super) others: Vec<Range<usize>>,
}

impl Reader {
    /// Reads the kind of a step and the type of what it sees; says nothing about mistakes, which
    /// are found when the step itself is read.
    pub(super) fn seen_type(&self, id: &str, node: &Node) -> Option<Type> {
        let Yaml::Map(entries) = &node.value else {
            return Some(Type::Any);
        };
        let find = |name: &str| {
            let entry = entries.iter().find(|(key, _)| key.name == name);
            entry.map(|(_, value)| &value.value)
        };
        if let Some(Yaml::Text(probe)) = find("probe") {
            return Some(match Spec::find(probe) {
                Some(spec) => Type::Record(Arc::clone(&types::of(spec).result)),
                None => Type::Any,
            });
        }
        if find("ask").is_some() && find("expects").is_some() {
            return Some(types::server_report());
        }
        if find("ask").is_some() {
            let choices = match find("choices") {
                Some(Yaml::Map(choices)) => choices.iter().map(|(k, _)| k.name.clone()).collect(),
                _ => Vec::new(),
            };
            return Some(types::answer(id, &choices));
        }
        if find("use").is_some() {
            let place = entries.iter().find(|(key, _)| key.name == "use")?.1.span.start;
            return Some(match self.used.get(&place) {
                Some(Ok(runbook)) => types::used(id, runbook),
                _ => Type::Any,
            });
        }
        if find("decide").is_some() { None } else { Some(Type::Any) }
    }

    /// Reads a step.
    pub(super) fn step(
        &mut self,
        key: &Key,
        node: &Node,
        scope: &Scope,
        around: &Around<'_>,
    ) -> Option<Draft> {
        let Yaml::Map(entries) = &node.value else {
            self.type_error(node, "a step", "a mapping");
            return None;
        };
        let kind = self.kind_of(key, entries)?;
        let group = Group::find(match kind {
            "probe" => "probe_step",
            "ask" if has(entries, "expects") => "ask_report_step",
            "ask" => "ask_step",
            "decide" => "decide_step",
            _ => "use_step",
        })?;
        let what = group.what;
        let fields = self.fields(node, what, &group.names())?;
        let around = &Around { uses: kind == "use", ..*around };
        let own_key = node_of_key(key);
        let inner = match scope.find(&key.name) {
            Some(seen) => scope.clone().with("result", seen.clone()),
            None => scope.clone(),
        };
        let read = match kind {
            "probe" => self.probe_kind(fields, scope),
            "ask" => self.ask_kind(fields, &own_key, scope, &inner, around),
            "decide" => self.decide_kind(fields),
            _ => self.use_kind(fields, scope),
        };
        let needs_title = matches!(kind, "probe" | "use");
        let title = self.title(fields, key, &own_key, what, needs_title, scope);
        let layer = self.layer(fields, &own_key, what, needs_title);
        let by_hand = fields.find("by_hand");
        let by_hand = by_hand.and_then(|node| self.template(node, "`by_hand`", scope));
        let findings = fields.find("findings");
        let findings = findings.map(|node| self.findings(node, &inner, around));
        let meanwhile = fields.find("meanwhile");
        let entries = meanwhile.map_or(&[][..], |node| match &node.value {
            Yaml::List(entries) => entries,
            _ => std::slice::from_ref(node),
        });
        let meanwhile = entries.iter().filter_map(|node| self.meanwhile(node, &key.name, around));
        let (meanwhile, early): (Vec<_>, Vec<_>) = meanwhile.unzip();
        let disabled = fields.find("disable").map(|node| {
            let around = &Around { uses: false, ..*around };
            (self.destination(node, around), node.span.clone())
        });
        let arms = match fields.entry("branches") {
            Some((_, node)) => self.branches(node, &inner, around),
            None => {
                if (kind != "ask" || fields.find("expects").is_some()) && disabled.is_none() {
                    self.astray = true;
                    self.need(fields, &own_key, what, "branches");
                }
                Vec::new()
            }
        };
        // What is wrong was said; the rest of the tree can still be judged.
        let (kind, mut others) = read.unwrap_or_else(|| {
            self.astray |= kind == "ask";
            (Kind::Decide, Vec::new())
        });
        let unknown = fields.find("unknown");
        let unknown = unknown.map(|node| self.arm(node, "`unknown`", scope, around));
        let unknown = unknown.map(|(branch, span)| {
            others.insert(0, span);
            branch
        });
        let (branches, places) = arms.into_iter().map(split).unzip();
        Some(Draft {
            step: Step {
                id: key.name.clone(),
                title: title.unwrap_or_else(|| Template::lazy("")),
                layer: layer.unwrap_or(Layer::Vantage),
                kind,
                by_hand,
                meanwhile,
                findings: findings.unwrap_or_default(),
                branches,
                unknown,
            },
            id: key.span.clone(),
            branches: fields
                .entry("branches")
                .map_or(key.span.clone(), |(key, _)| key.span.clone()),
            arms: places,
            early: early.into_iter().flatten().collect(),
            disabled,
            others,
        })
    }

    /// Finds the one key that says what the step does.
    fn kind_of<'a>(&mut self, step: &Key, entries: &'a [(Key, Node)]) -> Option<&'a str> {
        let mut kinds =
            entries.iter().map(|(key, _)| key).filter(|key| KINDS.contains(&key.name.as_str()));
        let Some(kind) = kinds.next() else {
            let message = format!("the step `{}` does nothing", step.name);
            let below: Vec<&str> = self.changes.below.iter().map(|(id, _)| id.as_str()).collect();
            let help = match did_you_mean(&step.name, &below, "") {
                meant if meant.starts_with("did") => {
                    format!("{meant} that is a step of the runbook that this one extends")
                }
                _ => "give it one of probe, ask, decide, use".to_owned(),
            };
            self.wrong(Code::KINDS, &step.span, message, Some(help));
            return None;
        };
        if let Some(second) = kinds.next() {
            self.problem(
                Code::KINDS,
                &second.span,
                format!("the step `{}` is of several kinds", step.name),
                Some("make two steps of it".to_owned()),
                Some((kind.span.clone(), "this makes it one kind".to_owned())),
            );
            return None;
        }
        Some(&kind.name)
    }

    fn title(
        &mut self,
        fields: Fields<'_>,
        key: &Key,
        own: &Node,
        what: &str,
        needed: bool,
        scope: &Scope,
    ) -> Option<Template> {
        if let Some(node) = fields.find("title") {
            return self.template(node, "`title`", scope);
        }
        if let Some(question) = fields.find("ask") {
            return match &question.value {
                Yaml::Text(text) => Template::parse(text, scope).ok(),
                _ => None,
            };
        }
        if needed {
            self.need(fields, own, what, "title");
            return None;
        }
        Some(Template::lazy(key.name.replace('_', " ")))
    }

    fn layer(&mut self, fields: Fields<'_>, own: &Node, what: &str, needed: bool) -> Option<Layer> {
        let layers = Layer::ALL.map(|layer| (layer.name(), layer));
        match fields.find("layer") {
            Some(node) => self.word(node, "`layer`", &layers),
            None if needed => {
                self.need(fields, own, what, "layer");
                None
            }
            None => Some(Layer::Vantage),
        }
    }

    fn probe_kind(
        &mut self,
        fields: Fields<'_>,
        scope: &Scope,
    ) -> Option<(Kind, Vec<Range<usize>>)> {
        let node = fields.find("probe")?;
        let name = self.text(node, "`probe`")?;
        let Some(spec) = Spec::find(name) else {
            let known: Vec<&str> = REGISTRY.iter().map(|spec| spec.id).collect();
            let message = format!("there is no probe `{name}`");
            self.misnamed(Code::UNKNOWN_PROBE, &node.span, message, name, (&known, "probes"));
            return None;
        };
        if self.trusted {
            let with = self.values(fields.find("with"), scope);
            return Some((Kind::Probe { spec, with }, Vec::new()));
        }
        let args = &types::of(spec).args;
        let with = self.arguments(fields.find("with"), (name, node), args, scope);
        self.contacts_declared(spec, fields.find("with"));
        Some((Kind::Probe { spec, with }, Vec::new()))
    }

    fn decide_kind(&mut self, fields: Fields<'_>) -> Option<(Kind, Vec<Range<usize>>)> {
        let node = fields.find("decide")?;
        if !matches!(node.value, Yaml::Bool(true)) {
            let help =
                Some("write `decide: true`; the conditions stand under `branches`".to_owned());
            self.wrong(Code::WRONG_TYPE, &node.span, "`decide` must be true", help);
        }
        Some((Kind::Decide, Vec::new()))
    }

    fn meanwhile(
        &mut self,
        node: &Node,
        own: &str,
        around: &Around<'_>,
    ) -> Option<(Meanwhile, Vec<Range<usize>>)> {
        let what = "`meanwhile`";
        let fields = self.fields(node, what, &["after", "start"])?;
        let after = self.need(fields, node, what, "after");
        let after = after.and_then(|node| self.duration(node, "`after`"));
        let start = self.need(fields, node, what, "start")?;
        let (mut steps, mut places) = (Vec::new(), Vec::new());
        for (id, node) in self.texts(start, "`start`").unwrap_or_default() {
            match around.step(id) {
                Some(_) if id == own => {
                    let message = "a step cannot start itself early";
                    self.wrong(Code::LEADS, &node.span, message, None);
                }
                Some(step) => {
                    steps.push(step);
                    places.push(node.span.clone());
                }
                None => {
                    let known: Vec<&str> = around.steps.iter().map(String::as_str).collect();
                    let message = format!("there is no step `{id}`");
                    self.misnamed(Code::UNKNOWN_STEP, &node.span, message, id, (&known, "steps"));
                }
            }
        }
        Some((Meanwhile { after: after?, start: steps }, places))
    }

    /// Reads a duration such as `300ms` or `1.5s`.
    fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let help = "write a number and its unit, as in 300ms or 1.5s";
        let Yaml::Text(text) = &node.value else {
            self.type_error(node, what, "a duration");
            return None;
        };
        let parsed = text.parse::<jiff::SignedDuration>().ok();
        let parsed = parsed.and_then(|duration| Duration::try_from(duration).ok());
        match parsed {
            Some(duration) if duration <= LONGEST_WAIT => Some(duration),
            Some(_) => {
                let message = format!("{what} is longer than ten minutes");
                self.wrong(Code::WRONG_TYPE, &node.span, message, None);
                None
            }
            None => {
                let message = format!("{what} cannot be `{text}`");
                self.wrong(Code::WRONG_TYPE, &node.span, message, Some(help.to_owned()));
                None
            }
        }
    }
}

fn has(entries: &[(Key, Node)], name: &str) -> bool {
    entries.iter().any(|(key, _)| key.name == name)
}

fn split(arm: Arm) -> (Branch, (Option<Node>, Range<usize>)) {
    (arm.branch, (arm.when, arm.span))
}

/// Stands in for a step that could not be read.
pub(super) fn unread(key: &Key) -> Draft {
    Draft {
        step: Step {
            id: key.name.clone(),
            title: Template::lazy(""),
            layer: Layer::Vantage,
            kind: Kind::Decide,
            by_hand: None,
            meanwhile: Vec::new(),
            findings: Vec::new(),
            branches: Vec::new(),
            unknown: None,
        },
        id: key.span.clone(),
        branches: key.span.clone(),
        arms: Vec::new(),
        early: Vec::new(),
        disabled: None,
        others: Vec::new(),
    }
}

/// A stand-in whose place is a step's id: where its missing keys are reported.
fn node_of_key(key: &Key) -> Node {
    Node { value: Yaml::Null, span: key.span.clone() }
}
