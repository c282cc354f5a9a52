//! What a run on the server saw of one of its ports, small enough to be carried to the client by hand.

mod code;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::report::{Report, Verdict};

pub use code::{MOST_TEXT, Progress, Refusal, decode, encode, progress};

/// Longer texts are cut: a rule, an owner, a sentence.
const MOST_CHARS: usize = 300;
/// Longer lists are cut.
const MOST_ITEMS: usize = 16;
/// A few senders, and a few listeners elsewhere, tell enough.
const MOST_FOUND: usize = 8;
/// The hooks that a server's answers pass (nftables' names).
const OUTGOING: [&str; 3] = ["output", "postrouting", "egress"];

/// Who listens on the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// A process that takes connections from elsewhere.
    Listening,
    /// A process that listens on loopback only.
    LoopbackOnly,
    /// A process that listens on other addresses, or for the other family only.
    OtherAddress,
    /// Nobody in the server's own network namespace, but a process in another one.
    Elsewhere,
    /// Nobody.
    None,
}

/// What the server's own packet filter does to a client's SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filtering {
    /// There are no rules on the way.
    NoRules,
    /// It lets it through.
    Accepts,
    /// It drops it.
    Drops,
    /// It rejects it.
    Rejects,
    /// A rule that cannot be evaluated decides.
    Undecided,
}

/// Where a rule of the server's packet filter stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulePlace {
    /// The family of its table.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its handle; null is the chain's policy.
    pub handle: Option<u64>,
}

/// Who listens in another network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Elsewhere {
    /// The process, in words.
    pub owner_name: String,
    /// Its process id.
    pub pid: u64,
    /// Where it listens.
    pub address: String,
}

/// Who sends SYNs to the port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sender {
    /// The address that they come from.
    pub address: String,
    /// The segment size that they advertise, in bytes.
    pub segment: Option<u16>,
    /// How many came.
    pub syns: u64,
}

/// What a run on the server saw of one of its ports. What it could not look at is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerReport {
    /// The port.
    pub port: u16,
    /// How the server's own run ended.
    pub verdict: Verdict,
    /// The diagnosis that it came to; null when healthy.
    pub id: Option<String>,
    /// That diagnosis in one sentence.
    pub summary: Option<String>,
    /// The server's name for itself.
    pub host: String,
    /// When its run began, RFC 3339 in UTC, by its own clock.
    pub at: String,
    /// The client that it was asked about; null is any.
    pub client: Option<String>,
    /// The server's addresses; null when it did not look.
    pub addresses: Option<Vec<String>>,
    /// Who listens on the port.
    pub listening: Option<Listening>,
    /// The listener in words, for example `nginx (pid 123, user www-data)`.
    pub owner: Option<String>,
    /// Who listens in another network namespace (a container), where nobody does in the server's own.
    pub elsewhere: Option<Vec<Elsewhere>>,
    /// Where it listens.
    pub listens_at: Option<Vec<String>>,
    /// Whether an IPv4 client from elsewhere could be accepted.
    pub accepts_v4: Option<bool>,
    /// Whether an IPv6 client from elsewhere could be accepted.
    pub accepts_v6: Option<bool>,
    /// Connections waiting to be accepted, of the fullest listener.
    pub queue: Option<u64>,
    /// The limit of that queue.
    pub backlog: Option<u64>,
    /// Whether that queue is full.
    pub queue_full: Option<bool>,
    /// How long its counters were watched, in milliseconds.
    pub window_ms: Option<f64>,
    /// Handshakes dropped meanwhile because an accept queue was full.
    pub listen_overflows: Option<i64>,
    /// SYNs dropped meanwhile because a SYN queue was full.
    pub reqq_full_drops: Option<i64>,
    /// SYN cookies sent meanwhile.
    pub syncookies_sent: Option<i64>,
    /// The setting net.ipv4.tcp_syncookies.
    pub syncookies: Option<i64>,
    /// Packets dropped meanwhile by reverse path filtering.
    pub rp_filter_drops: Option<i64>,
    /// Half-open connections on the port.
    pub syn_recv: Option<u64>,
    /// From how many addresses they come.
    pub syn_recv_peers: Option<u64>,
    /// Connections being tracked.
    pub conntrack_count: Option<u64>,
    /// The most that can be tracked.
    pub conntrack_max: Option<u64>,
    /// What its packet filter does to a client's SYN.
    pub firewall: Option<Filtering>,
    /// The rule that decides, in words.
    pub rule: Option<String>,
    /// Where it stands.
    pub rule_place: Option<RulePlace>,
    /// What writes such rules there, for example firewalld.
    pub manager: Option<String>,
    /// Whether it is about the server's answers, and not about the client's SYN.
    pub rule_outgoing: Option<bool>,
    /// The clients that the rule concerns, in words, when it is not all of them.
    pub rule_partial: Option<String>,
    /// Whether that rule's counter grew meanwhile.
    pub rule_counted: Option<bool>,
    /// SYNs of the client to the port that reached the server while it watched.
    pub arrived: Option<u64>,
    /// How long it watched for them, in milliseconds.
    pub watched_ms: Option<f64>,
    /// Whether the client's handshake stood half open: SYN taken, the answer sent, nothing back.
    pub half_open: Option<bool>,
    /// Whether the server has a route to the client.
    pub way_back: Option<bool>,
    /// Everybody whose SYNs to the port reached the server meanwhile, the busiest first.
    pub senders: Option<Vec<Sender>>,
    /// What it could not look at for want of a privilege, in words.
    pub unseen: Option<Vec<String>>,
    /// Found out by the client: whether the client that the server was asked about is this machine.
    pub ours: Option<bool>,
    /// Found out by the client: whether it was made just now. An older one may tell of what is over.
    pub current: Option<bool>,
    /// Found out by the client: what of it counts for nothing here, and why.
    pub set_aside: Option<String>,
    /// Found out by the client: whether the address that it tries is translated to one of the
    /// server's on the way.
    pub translated: Option<bool>,
}

impl ServerReport {
    /// Takes from a report what the other end needs.
    ///
    /// # Errors
    ///
    /// Says why a report is none of a server about its own port.
    pub fn of(report: &Report) -> Result<ServerReport, String> {
        let Some(port) = report.target.port.filter(|_| report.target.host.is_none()) else {
            return Err(format!(
                "it is about {}, not about a port of the machine it was made on",
                report.target.input
            ));
        };
        let seen = |probe: &str| {
            let steps = report.steps.iter().filter(|step| step.probe.as_deref() == Some(probe));
            let mut seen = steps.filter_map(|step| step.observation.as_ref());
            seen.next().cloned().unwrap_or(Value::Null)
        };
        let listeners = listeners(report);
        if listeners.is_null() {
            return Err("nobody looked for a listener in it".to_owned());
        }
        let (counters, sockets, table) = (seen("counters"), seen("sockets"), seen("conntrack"));
        let (rules, arrivals) = (seen("firewall"), seen("arrivals"));
        let rule = &rules["rule"];
        let mut unseen = Vec::new();
        if rules.is_null() {
            unseen.push("the packet filter".to_owned());
        }
        if !arrivals["without_privilege"].is_null() {
            unseen.push("arriving packets".to_owned());
        }
        let diagnosis = report.diagnosis.as_ref();
        let each = |list: &Value, name: &str| -> Option<Vec<String>> {
            let items = list.as_array()?.iter();
            Some(items.filter_map(|item| item[name].as_str().map(str::to_owned)).collect())
        };
        let mut own = ServerReport {
            port,
            verdict: report.verdict,
            id: diagnosis.map(|diagnosis| diagnosis.id.clone()),
            summary: diagnosis.map(|diagnosis| diagnosis.summary.clone()),
            host: report.vantage.hostname.clone(),
            at: report.started_at.clone(),
            client: field::<String>(&arrivals["client"]),
            addresses: field(&arrivals["addresses"]),
            listening: field(&listeners["outcome"]),
            owner: field(&listeners["owner_name"]),
            elsewhere: field(&listeners["elsewhere"])
                .filter(|found: &Vec<Elsewhere>| !found.is_empty()),
            listens_at: each(&listeners["listeners"], "address"),
            accepts_v4: field(&listeners["accepts_v4"]),
            accepts_v6: field(&listeners["accepts_v6"]),
            queue: field(&listeners["queue"]),
            backlog: field(&listeners["backlog"]),
            queue_full: field(&listeners["queue_full"]),
            window_ms: field(&counters["window_ms"]),
            listen_overflows: field(&counters["listen_overflows"]),
            reqq_full_drops: field(&counters["reqq_full_drops"]),
            syncookies_sent: field(&counters["syncookies_sent"]),
            syncookies: field(&seen("sysctl")["syncookies"]),
            rp_filter_drops: field(&counters["rp_filter_drops"]),
            syn_recv: field(&sockets["syn_recv"]),
            syn_recv_peers: field(&sockets["syn_recv_peers"]),
            conntrack_count: field(&table["count"]),
            conntrack_max: field(&table["max"]),
            firewall: field(&rules["outcome"]),
            rule: field(&rule["told"]),
            rule_place: field(rule),
            manager: field(&rules["owner"]),
            rule_outgoing: field::<String>(&rule["hook"])
                .map(|hook| OUTGOING.contains(&hook.as_str())),
            rule_partial: field(&rules["partial"]),
            rule_counted: field(&rules["counted"]),
            arrived: field(&arrivals["syns"]),
            watched_ms: field(&arrivals["window_ms"]),
            half_open: field(&arrivals["half_open"]),
            way_back: field(&arrivals["way_back"]),
            senders: field(&arrivals["senders"]),
            unseen: (!unseen.is_empty()).then_some(unseen),
            ours: None,
            current: None,
            set_aside: None,
            translated: None,
        };
        own.bound();
        Ok(own)
    }

    /// Cuts what is longer than anything that an honest report holds.
    fn bound(&mut self) {
        let texts = [
            Some(&mut self.host),
            Some(&mut self.at),
            self.id.as_mut(),
            self.summary.as_mut(),
            self.client.as_mut(),
            self.owner.as_mut(),
            self.rule.as_mut(),
            self.rule_partial.as_mut(),
            self.manager.as_mut(),
        ];
        let place = self.rule_place.as_mut();
        let place = place.map(|place| [&mut place.family, &mut place.table, &mut place.chain]);
        let texts = texts.into_iter().flatten().chain(place.into_iter().flatten());
        texts.for_each(cut);
        let lists = [&mut self.addresses, &mut self.listens_at, &mut self.unseen];
        for list in lists.into_iter().flatten() {
            list.truncate(MOST_ITEMS);
            list.iter_mut().for_each(cut);
        }
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.truncate(MOST_FOUND);
            for one in elsewhere {
                cut(&mut one.owner_name);
                cut(&mut one.address);
            }
        }
        if let Some(senders) = &mut self.senders {
            senders.truncate(MOST_FOUND);
            senders.iter_mut().for_each(|sender| cut(&mut sender.address));
        }
        // What the client finds out is no server's to say.
        (self.ours, self.current, self.translated, self.set_aside) = (None, None, None, None);
    }

    /// Says in one line what the server saw.
    pub fn brief(&self) -> String {
        let who = self.owner.as_deref().unwrap_or("a program");
        let port = self.port;
        let mut said = match self.listening {
            Some(Listening::None) => format!("nobody listens on port {port} there"),
            Some(Listening::Elsewhere) => {
                let found = self.elsewhere.iter().flatten();
                let who: Vec<&str> = found.map(|one| one.owner_name.as_str()).collect();
                let who = if who.is_empty() { "a program".to_owned() } else { who.join(", ") };
                format!(
                    "nobody listens on port {port} there but {who} in another network namespace"
                )
            }
            Some(Listening::LoopbackOnly) => format!("{who} listens on loopback only"),
            Some(Listening::OtherAddress) => {
                let at = self.listens_at.as_deref().unwrap_or_default().join(", ");
                format!("{who} listens at {at} only")
            }
            Some(Listening::Listening) => match self.listens_at.as_deref() {
                Some(at) if !at.is_empty() => format!("{who} listens at {}", at.join(", ")),
                _ => format!("{who} listens"),
            },
            None => "who listens is not known".to_owned(),
        };
        if let (Some(true), Some(queue)) = (self.queue_full, self.queue) {
            said += &format!(", its accept queue is full ({queue})");
        }
        match (self.firewall, &self.rule) {
            (Some(Filtering::Drops), Some(rule)) => said += &format!("; dropped by {rule}"),
            (Some(Filtering::Rejects), Some(rule)) => said += &format!("; rejected by {rule}"),
            (Some(Filtering::Accepts | Filtering::NoRules), _) => said += "; no rule forbids it",
            _ => {}
        }
        match self.arrived {
            Some(0) => said += "; no SYN of ours arrived",
            Some(1) => said += "; a SYN of ours arrived",
            Some(count) => said += &format!("; {count} SYNs of ours arrived"),
            None => {}
        }
        if self.way_back == Some(false) {
            let client = self.client.as_deref().unwrap_or("the client");
            said += &format!("; it has no route to {client}");
        }
        if let Some(why) = &self.set_aside {
            said += &format!("; {why}");
        }
        if let Some(unseen) = &self.unseen {
            said += &format!("; not seen, for that takes root there: {}", unseen.join(", "));
        }
        format!("{}: {said}", self.host)
    }
}

/// What was seen of the listeners; where that was looked at twice, the time when the queue was full.
fn listeners(report: &Report) -> Value {
    let steps = report.steps.iter().filter(|step| step.probe.as_deref() == Some("listeners"));
    let seen: Vec<&Value> = steps.filter_map(|step| step.observation.as_ref()).collect();
    let full = seen.iter().find(|seen| seen["queue_full"] == Value::Bool(true));
    full.or(seen.first()).map_or(Value::Null, |seen| (*seen).clone())
}

fn field<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARS) {
        text.truncate(end);
        text.push_str("...");
    }
}
