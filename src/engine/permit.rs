//! What a run may touch: the target that the user gave, what was seen on the way to it, and what the
//! user allowed besides.
//!
//! A runbook is somebody's text. Its steps may contact
//!
//! 1. the target's host, names below it, and this machine;
//! 2. addresses and names that a probe of this run saw: the target's addresses, the resolvers, the
//!    routers on the path (probes that repeat what they were asked, what a server says or what a
//!    program prints do not count);
//! 3. what the user gave as a parameter of the runbook;
//! 4. what `--allow-target` names.
//!
//! Anything else could not be looked at, for lack of permission. Programs run only with
//! `--allow-exec`.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::engine::facts::Fact;
use crate::model::contact::{Contact, address, is_this_machine, plain, same_machine};
use crate::model::outcome::Why;
use crate::model::types::Type;
use crate::probe::Spec;
use crate::runbook::Runbook;
use crate::runbook::expr::Bindings;

/// What the user allows besides looking at the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permit {
    /// The machines that may be contacted.
    pub targets: Vec<Contact>,
    /// Whether programs may be run.
    pub exec: bool,
}

/// What may be contacted as far as a walk has come.
pub(super) struct Circle<'f> {
    permit: Option<&'f Permit>,
    host: Option<String>,
    /// Texts that the user gave as parameters.
    given: Vec<String>,
    /// Observations that lead on, with the only port that they lead to.
    leads: RefCell<Vec<(&'f Fact, Option<u16>)>>,
}

/// Whether a machine may be contacted, and at which port only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Free,
    Port(u16),
    Not,
}

impl Reach {
    fn of(port: Option<u16>) -> Reach {
        port.map_or(Reach::Free, Reach::Port)
    }

    fn or(self, other: impl FnOnce() -> Reach, wanted: Option<u16>) -> Reach {
        if self.admits(wanted) { self } else { other() }
    }

    fn admits(self, wanted: Option<u16>) -> bool {
        match self {
            Reach::Free => true,
            Reach::Port(port) => wanted.is_none_or(|wanted| wanted == port),
            Reach::Not => false,
        }
    }
}

impl<'f> Circle<'f> {
    /// Begins with what the user gave; without a permit nothing is checked.
    pub(super) fn new(
        permit: Option<&'f Permit>,
        runbook: &Runbook,
        base: &Bindings,
    ) -> Circle<'f> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let host = text(base.values.get("target").and_then(|target| target.get("host")));
        let params = base.values.get("params");
        let given = |param: &crate::runbook::Param| {
            let value = params.and_then(|params| params.get(&param.name));
            // What is the file's own default was not given by the user.
            text(value.filter(|value| {
                matches!(param.ty, Type::Text) && param.default.as_ref() != Some(value)
            }))
        };
        let given = runbook.params.iter().filter_map(given).collect();
        Circle { permit, host, given, leads: RefCell::default() }
    }

    /// Takes in what a probe saw.
    pub(super) fn learn(&self, spec: &Spec, fact: &'f Fact) {
        if self.permit.is_none() || !spec.leads {
            return;
        }
        let Some(Value::Object(args)) = &fact.args else {
            return;
        };
        let ports = machines(spec, args).into_iter().map(|(host, port)| self.reach(host, port));
        let only = ports.fold(None, |only, reach| match reach {
            Reach::Port(port) => Some(port),
            _ => only,
        });
        self.leads.borrow_mut().push((fact, only));
    }

    /// Says why a probe may not be started with these arguments; `None` when it may.
    pub(super) fn objection(&self, spec: &Spec, args: &Value) -> Option<Why> {
        let permit = self.permit?;
        if spec.runs_programs && !permit.exec {
            let program = args.get("argv").and_then(|argv| argv.get(0)).and_then(Value::as_str);
            let operation = format!("running {}", program.unwrap_or("a program"));
            return Some(Why::NotPermitted { capability: "--allow-exec".to_owned(), operation });
        }
        let args = args.as_object()?;
        let (host, port) = machines(spec, args)
            .into_iter()
            .find(|(host, port)| !self.reach(host, *port).admits(*port))?;
        let contact = Contact { host: host.to_owned(), port };
        Some(Why::NotPermitted {
            capability: format!("--allow-target {contact}"),
            operation: format!("contacting {contact}, which is not the target,"),
        })
    }

    fn reach(&self, host: &str, wanted: Option<u16>) -> Reach {
        let below = |own: &str| {
            let (own, host) = (plain(own).to_ascii_lowercase(), plain(host).to_ascii_lowercase());
            address(&own).is_none() && host.ends_with(&format!(".{own}"))
        };
        let is_target =
            self.host.as_deref().is_some_and(|own| same_machine(own, host) || below(own));
        if is_target
            || is_this_machine(host)
            || self.given.iter().any(|given| same_machine(given, host))
        {
            return Reach::Free;
        }
        let allowed = self.permit.map_or(&[][..], |permit| &permit.targets).iter();
        let allowed = allowed.filter(|contact| same_machine(&contact.host, host));
        let allowed =
            allowed.fold(Reach::Not, |reach, contact| reach.or(|| Reach::of(contact.port), wanted));
        allowed.or(|| self.seen(host, wanted), wanted)
    }

    /// Looks for a machine among what was seen.
    fn seen(&self, host: &str, wanted: Option<u16>) -> Reach {
        let leads = self.leads.borrow();
        leads.iter().fold(Reach::Not, |reach, (fact, port)| {
            reach.or(|| if tells_of(fact, host) { Reach::of(*port) } else { Reach::Not }, wanted)
        })
    }
}

/// Whether an observation names a machine that its probe was not asked about.
fn tells_of(fact: &Fact, host: &str) -> bool {
    let crate::model::outcome::Outcome::Seen(seen) = &fact.outcome else {
        return false;
    };
    names(seen, host, false) && !fact.args.as_ref().is_some_and(|args| names(args, host, true))
}

fn names(value: &Value, host: &str, keys: bool) -> bool {
    match value {
        Value::String(text) => same_machine(text, host),
        Value::Array(items) => items.iter().any(|item| names(item, host, keys)),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| (keys && same_machine(key, host)) || names(value, host, keys)),
        _ => false,
    }
}

/// Lists the machines that a probe would contact, with the ports where these are told.
fn machines<'a>(spec: &Spec, args: &'a Map<String, Value>) -> Vec<(&'a str, Option<u16>)> {
    let mut found = Vec::new();
    for touch in spec.contacts {
        let port = touch.port.and_then(|port| args.get(port)).and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        let hosts = match args.get(touch.arg) {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        found.extend(hosts.iter().filter_map(Value::as_str).map(|host| (host, port)));
    }
    found
}
