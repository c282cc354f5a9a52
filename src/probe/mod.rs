//! The probes: one file each, with its doc, arguments, result type and code.
//!
//! A probe reports what it saw in a closed vocabulary. It never concludes: words such as "blocked"
//! or "down" belong to runbooks. No probe imports another.

pub mod schema;

pub mod arrivals;
pub mod connections;
pub mod conntrack;
pub mod control;
pub mod counters;
pub mod dns;
pub mod exec;
pub mod firewall;
pub mod greeting;
pub mod listeners;
pub mod mtu;
pub mod owner;
pub mod ping;
pub mod process;
pub mod route;
pub mod sockets;
pub mod sysctl;
pub mod tcp_connect;
pub mod tcp_trace;

use std::future::Future;
use std::pin::Pin;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::outcome::{Outcome, Why};
use crate::model::types::Record;

/// Every probe; help, documentation and type checks are derived from this list.
pub const REGISTRY: &[Spec] = &[
    Spec::of::<dns::Dns>(),
    Spec::of::<route::Route>(),
    Spec::of::<ping::Ping>(),
    Spec::of::<tcp_connect::TcpConnect>(),
    Spec::of::<tcp_trace::TcpTrace>(),
    Spec::of::<mtu::Mtu>(),
    Spec::of::<counters::Counters>(),
    Spec::of::<control::Control>(),
    Spec::of::<greeting::Greeting>(),
    Spec::of::<firewall::Firewall>(),
    Spec::of::<sysctl::Sysctl>(),
    Spec::of::<conntrack::Conntrack>(),
    Spec::of::<listeners::Listeners>(),
    Spec::of::<arrivals::Arrivals>(),
    Spec::of::<sockets::Sockets>(),
    Spec::of::<connections::Connections>(),
    Spec::of::<process::Process>(),
    Spec::of::<exec::Exec>(),
];

/// A probe, as its author writes it.
pub trait Probe {
    /// The name used in runbooks, reports and `tcpdoctor probe`.
    const ID: &'static str;
    /// What it does; the first sentence stands alone, third person.
    const DOC: &'static str;
    /// What it can do only with privilege, in one sentence; empty when nothing.
    const PRIVILEGE: &'static str = "";
    /// The arguments that name machines to which it sends something, or names that it looks up.
    const CONTACTS: &'static [Touch] = &[];
    /// Whether the addresses and names that it saw belong to what it was asked about, to the path
    /// there or to this machine, so that other probes may contact them.
    const LEADS: bool = false;
    /// Whether it runs a program, which only `--allow-exec` allows.
    const RUNS_PROGRAMS: bool = false;
    /// Its arguments; every field that may be left out has a serde default.
    type Args: DeserializeOwned + Serialize + JsonSchema + Send;
    /// What it saw.
    type Seen: Serialize + DeserializeOwned + JsonSchema;

    /// Looks.
    ///
    /// # Errors
    ///
    /// Returns why it could not look; a failed connection is something seen, not an error.
    fn run(args: Self::Args) -> impl Future<Output = Result<Self::Seen, Why>> + Send;

    /// Says what was seen in one line, names and numbers, no verdict.
    fn brief(seen: &Self::Seen) -> String;
}

/// An argument that names machines to contact: an address or a name, or a list of them.
#[derive(Debug, Clone, Copy)]
pub struct Touch {
    /// The argument.
    pub arg: &'static str,
    /// The argument that holds the port, if one does.
    pub port: Option<&'static str>,
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A probe as the rest of the program sees it.
#[derive(Clone, Copy)]
pub struct Spec {
    /// See [`Probe::ID`].
    pub id: &'static str,
    /// See [`Probe::DOC`].
    pub doc: &'static str,
    /// See [`Probe::PRIVILEGE`].
    pub privilege: &'static str,
    /// See [`Probe::CONTACTS`].
    pub contacts: &'static [Touch],
    /// See [`Probe::LEADS`].
    pub leads: bool,
    /// See [`Probe::RUNS_PROGRAMS`].
    pub runs_programs: bool,
    /// The type of its arguments.
    pub args: fn() -> Record,
    /// The type of its result.
    pub result: fn() -> Record,
    /// Checks arguments and starts the probe.
    run: fn(Value) -> Running,
    brief: fn(&Value) -> Result<String, String>,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Spec").field(&self.id).finish()
    }
}

impl Spec {
    /// Builds the entry of one probe.
    const fn of<P: Probe + 'static>() -> Spec {
        Spec {
            id: P::ID,
            doc: P::DOC,
            privilege: P::PRIVILEGE,
            contacts: P::CONTACTS,
            leads: P::LEADS,
            runs_programs: P::RUNS_PROGRAMS,
            args: schema::record_of::<P::Args>,
            result: schema::record_of::<P::Seen>,
            run: run_erased::<P>,
            brief: brief_erased::<P>,
        }
    }

    /// Finds a probe by name.
    pub fn find(id: &str) -> Option<&'static Spec> {
        REGISTRY.iter().find(|spec| spec.id == id)
    }

    /// Starts the probe with its arguments as a JSON object.
    pub fn run(&self, args: Value) -> Running {
        (self.run)(args)
    }

    /// Says in one line what an observation of this probe saw; `None` if it is not of its type.
    pub fn brief(&self, seen: &Value) -> Option<String> {
        self.read(seen).ok()
    }

    /// Reads an observation of this probe and says in one line what it saw.
    ///
    /// # Errors
    ///
    /// Returns what does not fit its type.
    pub fn read(&self, seen: &Value) -> Result<String, String> {
        (self.brief)(seen)
    }
}

fn run_erased<P: Probe + 'static>(args: Value) -> Running {
    Box::pin(async move {
        let args: P::Args = match serde_json::from_value(args) {
            Ok(args) => args,
            Err(error) => {
                let what = format!("arguments of {}: {error}", P::ID);
                return Outcome::Unknown(Why::Unsupported { what });
            }
        };
        match P::run(args).await {
            Ok(seen) => match serde_json::to_value(&seen) {
                Ok(value) => Outcome::Seen(value),
                Err(error) => Outcome::Unknown(Why::Unsupported { what: error.to_string() }),
            },
            Err(why) => Outcome::Unknown(why),
        }
    })
}

fn brief_erased<P: Probe>(seen: &Value) -> Result<String, String> {
    let seen: P::Seen = serde_json::from_value(seen.clone()).map_err(|error| error.to_string())?;
    Ok(P::brief(&seen))
}
