//! What a report must say, and what every report must keep to.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::contract;
use crate::run::Ran;

/// Where the diagnosis must point.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Here,
    /// Any place of this kind.
    Kind(&'static str),
    /// At or after this hop.
    Path(u64, Option<&'static str>),
    Hop(u64, &'static str),
    Target(&'static str),
    Resolver(&'static str),
}

/// What one run must say.
#[derive(Debug, Clone)]
pub(crate) struct Expect {
    /// The verdicts that are right, each with its diagnosis; nearly always one.
    right: Vec<(&'static str, Option<&'static str>)>,
    /// The places that are right; nearly always one. Empty when it doesn't matter.
    places: Vec<Place>,
    /// Must be the diagnosis or a finding.
    noted: Option<&'static str>,
    confidence: &'static str,
    within: Duration,
    findings: Vec<&'static str>,
    absent: Vec<&'static str>,
    alternatives: Vec<&'static str>,
    words: Vec<String>,
    quiet: bool,
    /// No report at all: this exit code, and this on stderr.
    instead: Option<(i32, &'static str)>,
}

impl Expect {
    fn of(verdict: &'static str, id: Option<&'static str>, within: u64) -> Expect {
        Expect {
            right: vec![(verdict, id)],
            places: Vec::new(),
            noted: None,
            confidence: "possible",
            within: Duration::from_millis(within),
            findings: Vec::new(),
            absent: Vec::new(),
            alternatives: Vec::new(),
            words: Vec::new(),
            quiet: false,
            instead: None,
        }
    }

    pub(crate) fn here(self) -> Expect {
        self.at(Place::Here)
    }

    /// At or after this hop, the last that answered.
    pub(crate) fn path(self, hop: u64, address: &'static str) -> Expect {
        self.at(Place::Path(hop, Some(address)))
    }

    /// Not even the first hop answered.
    pub(crate) fn path_from_start(self) -> Expect {
        self.at(Place::Path(0, None))
    }

    /// The box at this hop said so itself.
    pub(crate) fn hop(self, hop: u64, address: &'static str) -> Expect {
        self.at(Place::Hop(hop, address))
    }

    pub(crate) fn target(self, address: &'static str) -> Expect {
        self.at(Place::Target(address))
    }

    pub(crate) fn resolver(self, address: &'static str) -> Expect {
        self.at(Place::Resolver(address))
    }

    /// Anywhere of this kind: `here`, `path`, `hop`, `target` or `resolver`.
    pub(crate) fn kind(self, kind: &'static str) -> Expect {
        self.at(Place::Kind(kind))
    }

    pub(crate) fn or_path(mut self, hop: u64, address: &'static str) -> Expect {
        self.places.push(Place::Path(hop, Some(address)));
        self
    }

    pub(crate) fn anywhere(mut self) -> Expect {
        self.places.clear();
        self
    }

    fn at(mut self, place: Place) -> Expect {
        self.places = vec![place];
        self
    }

    /// This diagnosis with the same verdict is as right: nothing can tell the two apart.
    pub(crate) fn or_id(mut self, id: &'static str) -> Expect {
        self.right.push((self.right[0].0, Some(id)));
        self
    }

    /// Degraded with this diagnosis is as right, or else it is a finding.
    pub(crate) fn or_degraded(mut self, id: &'static str) -> Expect {
        self.right.push(("degraded", Some(id)));
        self.noted = Some(id);
        self
    }

    /// This is as right.
    pub(crate) fn or(mut self, verdict: &'static str, id: &'static str) -> Expect {
        self.right.push((verdict, Some(id)));
        self
    }

    /// At least likely.
    pub(crate) fn likely(mut self) -> Expect {
        self.confidence = "likely";
        self
    }

    pub(crate) fn confirmed(mut self) -> Expect {
        self.confidence = "confirmed";
        self
    }

    /// Wall time of the whole process, on a machine that is not busy: see [`busy`].
    pub(crate) fn within_ms(mut self, bound: u64) -> Expect {
        self.within = Duration::from_millis(bound);
        self
    }

    pub(crate) fn finding(mut self, id: &'static str) -> Expect {
        self.findings.push(id);
        self
    }

    pub(crate) fn without(mut self, id: &'static str) -> Expect {
        self.absent.push(id);
        self
    }

    pub(crate) fn alternative(mut self, id: &'static str) -> Expect {
        self.alternatives.push(id);
        self
    }

    /// The diagnosis, whatever part of it, or the finding must name this.
    pub(crate) fn naming(mut self, word: &'static str) -> Expect {
        self.words.push(word.to_owned());
        self
    }

    /// As [`Expect::naming`], with the id of a process of the lab.
    pub(crate) fn naming_process(mut self, name: &str) -> Expect {
        self.words.push(format!("{{{name}}}"));
        self
    }

    /// Fills in the ids that the processes have got.
    pub(crate) fn with_process_ids(&self, ids: &BTreeMap<&'static str, u32>) -> Expect {
        let mut filled = self.clone();
        for (name, id) in ids {
            for word in &mut filled.words {
                *word = word.replace(&format!("{{{name}}}"), &id.to_string());
            }
        }
        filled
    }

    /// Healthy is as right.
    pub(crate) fn or_healthy(mut self) -> Expect {
        self.right.push(("healthy", None));
        self
    }

    /// Is the diagnosis or a finding.
    pub(crate) fn noting(mut self, id: &'static str) -> Expect {
        self.noted = Some(id);
        self
    }

    /// No findings but those asked for.
    pub(crate) fn quiet(mut self) -> Expect {
        self.quiet = true;
        self
    }
}

pub(crate) fn healthy() -> Expect {
    Expect::of("healthy", None, 4000)
}

pub(crate) fn degraded(id: &'static str) -> Expect {
    Expect::of("degraded", Some(id), 4000)
}

pub(crate) fn fault(id: &'static str) -> Expect {
    Expect::of("fault", Some(id), 5000)
}

pub(crate) fn inconclusive(id: &'static str) -> Expect {
    Expect::of("inconclusive", Some(id), 4000)
}

/// It can't even start, and says so on stderr with exit code 3.
pub(crate) fn cannot_start(words: &'static str) -> Expect {
    Expect { instead: Some((3, words)), ..Expect::of("inconclusive", None, 1000) }
}

impl Expect {
    /// The diagnoses and findings that this expectation asks for.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.right.iter().filter_map(|(_, id)| *id).chain(self.findings.iter().copied())
    }

    /// Whether a run without a report is what was expected.
    pub(crate) fn is_met_without_report(&self, ran: &Ran) -> bool {
        self.instead.is_some_and(|(code, words)| {
            ran.code == Some(code) && ran.stdout.is_empty() && ran.stderr.contains(words)
        })
    }

    /// Lists what is wrong with a run; empty when all is well. `replay` is how long a replay of its
    /// report took.
    pub(crate) fn check(&self, ran: &Ran, report: &Value, replay: Duration) -> Vec<String> {
        let mut wrong = contract::broken_by(ran, report);
        let diagnosis = &report["diagnosis"];
        let told = |verdict: &str, id: &str| format!("{verdict} {id}");
        let found = told(&text(&report["verdict"]), &text(&diagnosis["id"]));
        let right: Vec<String> =
            self.right.iter().map(|(verdict, id)| told(verdict, id.unwrap_or("null"))).collect();
        if !right.contains(&found) {
            wrong.push(format!("verdict: expected {}, found {found}", right.join(" or ")));
        }
        let found = location(diagnosis);
        let placed = diagnosis.is_null() || self.places.is_empty();
        if !placed && !self.places.iter().any(|place| place.fits(&found)) {
            let right: Vec<String> = self.places.iter().map(Place::text).collect();
            wrong.push(format!("location: expected {}, found {found}", right.join(" or ")));
        }
        let found = text(&diagnosis["confidence"]);
        if !diagnosis.is_null() && rank(&found) < rank(self.confidence) {
            wrong.push(format!("confidence: expected at least {}, found {found}", self.confidence));
        }
        let bound = self.within.mul_f64(slack()) + busy(replay);
        if ran.wall > bound {
            wrong.push(format!("took {:.2?}, at most {bound:.2?} expected", ran.wall));
        }
        let findings = ids(&report["findings"]);
        for id in &self.findings {
            if !findings.iter().any(|found| found == id) {
                wrong.push(format!("finding {id} is missing; found {findings:?}"));
            }
        }
        for id in &findings {
            let asked = self.findings.contains(&id.as_str()) || self.noted == Some(id);
            if self.absent.contains(&id.as_str()) || self.quiet && !asked {
                wrong.push(format!("finding {id} is out of place"));
            }
        }
        if let Some(id) = self.noted
            && text(&diagnosis["id"]) != id
            && !findings.iter().any(|found| found == id)
        {
            wrong.push(format!("{id} is neither the diagnosis nor a finding; found {findings:?}"));
        }
        let alternatives = ids(&diagnosis["alternatives"]);
        for id in &self.alternatives {
            if !alternatives.iter().any(|found| found == id) {
                wrong.push(format!("alternative {id} is missing; found {alternatives:?}"));
            }
        }
        let told = format!("{diagnosis} {}", report["findings"]);
        for word in &self.words {
            if !names(&told, word) {
                wrong.push(format!("neither the diagnosis nor a finding names {word}"));
            }
        }
        wrong
    }
}

impl Place {
    fn fits(&self, found: &str) -> bool {
        match self {
            Place::Kind(kind) => found.split(' ').next() == Some(kind),
            _ => found == self.text(),
        }
    }

    fn text(&self) -> String {
        match self {
            Place::Here => "here".to_owned(),
            Place::Kind(kind) => format!("{kind} (any)"),
            Place::Path(hop, address) => format!("path {hop} {}", address.unwrap_or("null")),
            Place::Hop(hop, address) => format!("hop {hop} {address}"),
            Place::Target(address) => format!("target {address}"),
            Place::Resolver(address) => format!("resolver {address}"),
        }
    }
}

/// What must be the same when a report is replayed.
pub(crate) fn essence(report: &Value) -> String {
    let diagnosis = &report["diagnosis"];
    format!(
        "{} {} at {} with {:?} by {}",
        text(&report["verdict"]),
        text(&diagnosis["id"]),
        location(diagnosis),
        ids(&report["findings"]),
        report["path"]
    )
}

fn location(diagnosis: &Value) -> String {
    let at = &diagnosis["location"];
    let mut told = text(&at["kind"]);
    if matches!(told.as_str(), "path" | "hop") {
        let _ = write!(told, " {}", text(&at["hop"]));
    }
    if told != "here" {
        let _ = write!(told, " {}", text(&at["address"]));
    }
    told
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn ids(value: &Value) -> Vec<String> {
    list(value).iter().map(|entry| text(&entry["id"])).collect()
}

fn rank(confidence: &str) -> usize {
    ["possible", "likely", "confirmed"].iter().position(|c| *c == confidence).unwrap_or(0)
}

/// Whether a text contains a word, and not only as a part of a longer number.
fn names(text: &str, word: &str) -> bool {
    let text = text.as_bytes();
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let number = word.bytes().all(|byte| byte.is_ascii_digit());
    text.windows(word.len().max(1)).enumerate().any(|(at, found)| {
        let part = number && (at > 0 && is_digit(at - 1) || is_digit(at + word.len()));
        found == word.as_bytes() && !part
    })
}

/// Returns what a time bound is put off for as long as the machine is busy with other things.
///
/// A replay does the same work without the network. It takes 50 ms of a quiet machine in a debug
/// build; what it takes here says how long everything waits for a processor. The slowest so far
/// counts: the one of this run may have met a quiet moment that the run itself had not.
fn busy(replay: Duration) -> Duration {
    static SLOWEST: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(replay.as_millis()).unwrap_or(u64::MAX);
    let slowest = SLOWEST.fetch_max(now, Ordering::Relaxed).max(now);
    3 * Duration::from_millis(slowest)
}

/// A slow machine may stretch every time bound by this factor.
fn slack() -> f64 {
    std::env::var("TCPDOCTOR_LAB_SLACK").ok().and_then(|s| s.parse().ok()).unwrap_or(1.0)
}
