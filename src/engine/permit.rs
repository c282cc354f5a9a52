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

use crate::engine::fact::Fact;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Outcome;
    use serde_json::json;

    fn circle<'f>(permit: &'f Permit, host: &str, params: Value) -> Circle<'f> {
        let text = "format: 1\nname: t\ntitle: T\nparams:\n  server: {type: text, default: 192.0.2.53}\nstart: a\nsteps:\n  a: {decide: true, branches: [{else: healthy}]}\n";
        let book = crate::runbook::parse("t.yaml", text, None).expect("it loads");
        let mut base = Bindings::default();
        base.values.insert("target".to_owned(), json!({"host": host}));
        base.values.insert("params".to_owned(), params);
        Circle::new(Some(permit), &book, &base)
    }

    fn may(circle: &Circle<'_>, probe: &str, args: Value) -> bool {
        let spec = Spec::find(probe).expect("a probe");
        circle.objection(spec, &args).is_none()
    }

    fn fact(args: Value, seen: Value) -> Fact {
        Fact { args: Some(args), outcome: Outcome::Seen(seen), timing: None }
    }

    fn dns(name: &str, address: &str) -> Fact {
        fact(json!({ "name": name }), json!({"name": name, "addresses": [address]}))
    }

    #[test]
    fn the_target_names_below_it_and_this_machine_are_the_users_own() {
        let permit = Permit::default();
        let circle = circle(&permit, "db.test", json!({"server": "192.0.2.53"}));
        for name in ["db.test", "DB.test.", "_pg._tcp.db.test", "localhost"] {
            assert!(may(&circle, "dns", json!({ "name": name })), "{name}");
        }
        for name in ["test", "evildb.test", "db.test.evil", "192.0.2.1", "192.0.2.53"] {
            assert!(!may(&circle, "dns", json!({ "name": name })), "{name}");
        }
        assert!(may(&circle, "tcp_connect", json!({"addresses": ["::1", "127.0.0.1"], "port": 1})));
        assert!(!may(
            &circle,
            "tcp_connect",
            json!({"addresses": ["::1", "192.0.2.1"], "port": 1})
        ));
        // It sends nothing.
        assert!(may(&circle, "route", json!({"addresses": ["192.0.2.1"]})));
        assert!(may(&circle, "counters", json!({"address": null})));
    }

    #[test]
    fn what_a_probe_saw_leads_on_and_what_it_only_repeats_does_not() {
        let permit = Permit::default();
        let circle = circle(&permit, "db.test", json!({}));
        let ping = |address: &str| may(&circle, "ping", json!({ "address": address }));
        let find = |probe: &str| Spec::find(probe).expect("a probe");
        let resolved = dns("db.test", "192.0.2.1");
        circle.learn(find("dns"), &resolved);
        assert!(ping("192.0.2.1") && ping("::ffff:192.0.2.1") && !ping("192.0.2.2"));
        let route = fact(
            json!({"addresses": ["192.0.2.2"], "port": 1}),
            json!({"routes": [{"address": "192.0.2.2", "gateway": "192.0.2.254"}]}),
        );
        circle.learn(find("route"), &route);
        assert!(ping("192.0.2.254") && !ping("192.0.2.2"));
        let banner = fact(json!({"address": "192.0.2.1"}), json!({"banner": "192.0.2.3"}));
        circle.learn(find("greeting"), &banner);
        let printed = fact(json!({"argv": ["x"]}), json!({"stdout": "192.0.2.3"}));
        circle.learn(find("exec"), &printed);
        assert!(!ping("192.0.2.3"));
    }

    #[test]
    fn a_parameter_counts_when_the_user_gave_it_and_not_as_the_files_default() {
        let permit = Permit::default();
        let given = circle(&permit, "db.test", json!({"server": "192.0.2.9"}));
        assert!(may(&given, "ping", json!({"address": "192.0.2.9"})));
        let default = circle(&permit, "db.test", json!({"server": "192.0.2.53"}));
        assert!(!may(&default, "ping", json!({"address": "192.0.2.53"})));
    }

    #[test]
    fn an_allowed_port_is_the_only_one_also_for_the_addresses_of_the_name() {
        let permit =
            Permit { targets: vec!["dns.google:53".parse().expect("a contact")], exec: false };
        let circle = circle(&permit, "db.test", json!({}));
        assert!(may(&circle, "dns", json!({"name": "dns.google"})));
        let resolved = dns("dns.google", "192.0.2.8");
        circle.learn(Spec::find("dns").expect("a probe"), &resolved);
        let connect = |port: u16| {
            may(&circle, "tcp_connect", json!({"addresses": ["192.0.2.8"], "port": port}))
        };
        assert!(connect(53) && !connect(443));
    }

    #[test]
    fn programs_need_their_own_word() {
        let args = json!({"argv": ["rm", "x"]});
        let permit = Permit::default();
        let why = circle(&permit, "db.test", json!({}))
            .objection(Spec::find("exec").expect("a probe"), &args);
        assert_eq!(
            why.map(|why| why.to_string()).as_deref(),
            Some("not permitted: running rm needs --allow-exec")
        );
        let permit = Permit { targets: Vec::new(), exec: true };
        assert!(may(&circle(&permit, "db.test", json!({})), "exec", args));
    }
}
