//! What is measured, and what it must come to.

use std::time::Duration;

use serde_json::Value;

use crate::rules::to_port;
use crate::run::Ran;
use crate::spread::words;
use crate::tool::Tool;

/// One fault, or none, and the commands that look at it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Of the product.
    pub(crate) arguments: Vec<String>,
    pub(crate) measured: Measured,
    pub(crate) bound: Option<Bound>,
    pub(crate) right: Right,
    /// Rules on hosts.
    pub(crate) rules: Vec<(&'static str, String)>,
    /// Of the cable, one way.
    pub(crate) delay: Duration,
    pub(crate) classic: Vec<Tool>,
    /// Whether nobody waits for seconds in it.
    pub(crate) quick: bool,
}

/// What of a run is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    /// From before the process is made to its end.
    Whole,
    /// From before the process is made to its first packet.
    FirstPacket,
}

/// How long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) time: Duration,
    /// That many round trips more.
    pub(crate) round_trips: u32,
}

impl Bound {
    pub(crate) fn words(self, round_trip: Duration) -> String {
        match self.round_trips {
            0 => words(self.time),
            count => format!("{} + {count} × {}", words(self.time), words(round_trip)),
        }
    }
}

/// What the report must say.
pub(crate) enum Right {
    Healthy,
    /// The diagnosis, the kind of its place, and the hop of a place on the path.
    Fault(&'static str, &'static str, Option<u64>),
}

impl Right {
    /// Says what is wrong with a run.
    pub(crate) fn check(&self, ran: &Ran) -> Result<(), String> {
        let wrong = |what: &str| {
            Err(format!("the product is wrong: {what}\n{}\n{}", ran.stdout, ran.stderr))
        };
        let Ok(report) = serde_json::from_str::<Value>(&ran.stdout) else {
            return wrong("no report");
        };
        let diagnosis = &report["diagnosis"];
        let place = &diagnosis["location"];
        match self {
            Right::Healthy if report["verdict"] == "healthy" => Ok(()),
            Right::Healthy => wrong("not healthy"),
            Right::Fault(id, ..) if diagnosis["id"] != *id => wrong(&format!("not {id}")),
            Right::Fault(_, kind, hop)
                if place["kind"] == *kind && place["hop"].as_u64() == *hop =>
            {
                Ok(())
            }
            Right::Fault(_, kind, hop) => wrong(&format!("the place is not {kind} {hop:?}")),
        }
    }
}

fn diagnose(name: &'static str, target: &str, right: Right) -> Case {
    let arguments = ["diagnose", target, "--format", "json"];
    Case {
        name,
        arguments: arguments.map(str::to_owned).to_vec(),
        measured: Measured::Whole,
        bound: None,
        right,
        rules: Vec::new(),
        delay: Duration::from_millis(10),
        classic: Vec::new(),
        quick: true,
    }
}

impl Case {
    fn within_ms(mut self, ms: u64) -> Case {
        self.bound = Some(Bound { time: Duration::from_millis(ms), round_trips: 0 });
        self
    }

    fn and_round_trips(mut self, count: u32) -> Case {
        self.bound = self.bound.map(|bound| Bound { round_trips: count, ..bound });
        self
    }

    fn rule(mut self, host: &'static str, rule: String) -> Case {
        self.rules.push((host, rule));
        self
    }

    fn round_trip_ms(mut self, ms: u64) -> Case {
        self.delay = Duration::from_micros(ms * 500);
        self
    }

    fn beside(mut self, words: &[&'static str]) -> Case {
        self.classic.push(Tool(words.to_vec()));
        self
    }

    /// The commands that one types one after the other when a connection fails.
    fn beside_the_chain(self, address: &'static str, port: &'static str) -> Case {
        let mut case = self
            .beside(&["ping", "-c3", address])
            .beside(&["nc", "-zv", "-w3", address, port])
            .beside(&["traceroute", "-T", "-p", port, address])
            .beside(&["ping", "-M", "do", "-s", "1472", "-c3", address]);
        case.quick = false;
        case
    }

    fn first_packet(mut self) -> Case {
        self.measured = Measured::FirstPacket;
        self
    }
}

/// Every case, those of the bounds first.
pub(crate) fn all() -> Vec<Case> {
    let refused = || Right::Fault("tcp.refused_no_listener", "target", None);
    let rejected = || Right::Fault("tcp.rejected_admin", "hop", Some(2));
    let reject = || to_port("forward", 5432, "reject with icmpx type admin-prohibited");
    vec![
        diagnose(
            "a port is silently dropped, the host lives",
            "10.4.3.2:5432",
            Right::Fault("tcp.timeout_filtered", "path", Some(2)),
        )
        .rule("r2", to_port("forward", 5432, "drop"))
        .within_ms(2000)
        .beside_the_chain("10.4.3.2", "5432"),
        diagnose("the host is dead", "10.4.3.66:5432", Right::Fault("host.down", "target", None))
            .within_ms(4000)
            .beside_the_chain("10.4.3.66", "5432"),
        diagnose("the port is refused", "10.4.3.2:5432", refused())
            .within_ms(300)
            .and_round_trips(ROUND_TRIPS)
            .beside(&["nc", "-zv", "-w3", "10.4.3.2", "5432"]),
        diagnose("the port is refused, far away", "10.4.3.2:5432", refused())
            .round_trip_ms(200)
            .within_ms(300)
            .and_round_trips(ROUND_TRIPS)
            .beside(&["nc", "-zv", "-w3", "10.4.3.2", "5432"]),
        diagnose("the port is rejected by a router", "10.4.3.2:5432", rejected())
            .rule("r2", reject())
            .within_ms(300)
            .and_round_trips(1)
            .beside(&["nc", "-zv", "-w3", "10.4.3.2", "5432"]),
        diagnose("the port is rejected by a router, far away", "10.4.3.2:5432", rejected())
            .rule("r2", reject())
            .round_trip_ms(200)
            .within_ms(300)
            .and_round_trips(1)
            .beside(&["nc", "-zv", "-w3", "10.4.3.2", "5432"]),
        diagnose("all is well on this machine", "127.0.0.1:8080", Right::Healthy)
            .within_ms(50)
            .beside(&["nc", "-zv", "-w3", "127.0.0.1", "8080"]),
        diagnose("all is well and far", "10.4.3.2:8080", Right::Healthy)
            .beside(&["nc", "-zv", "-w3", "10.4.3.2", "8080"]),
        diagnose("all is well and far, by name", "four.lab.test:8080", Right::Healthy).beside(&[
            "nc",
            "-zv",
            "-w3",
            "four.lab.test",
            "8080",
        ]),
        diagnose("start to first packet, this machine", "127.0.0.1:8080", Right::Healthy)
            .first_packet()
            .within_ms(10)
            .beside(&["nc", "-zv", "-w3", "127.0.0.1", "8080"]),
        diagnose("start to first packet, an address", "10.4.3.2:8080", Right::Healthy)
            .first_packet()
            .within_ms(10)
            .beside(&["nc", "-zv", "-w3", "10.4.3.2", "8080"]),
        diagnose("start to first packet, a name", "four.lab.test:8080", Right::Healthy)
            .first_packet()
            .within_ms(10)
            .beside(&["nc", "-zv", "-w3", "four.lab.test", "8080"]),
    ]
}

/// That many questions wait for each other where a RST comes: the connection, two rounds for the TTL
/// with which it arrives, and the TTL of the host itself.
const ROUND_TRIPS: u32 = 4;
