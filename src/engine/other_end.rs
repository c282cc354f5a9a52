//! The report of the server in a run of the client: whether it belongs here, and what it proves.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::report::Report;
use crate::model::server_report::ServerReport;
use crate::sys::tcp::{Syn, probe};
use crate::sys::{clock, dns_exchange, host};

/// A report that is older says little about now.
const OLDEST: Duration = Duration::from_secs(60 * 60);
/// Until then a report that was made beforehand is taken for what is.
const RECENT: Duration = Duration::from_secs(5 * 60);
/// How far two clocks may be apart: less than it takes to carry a command to the server.
const SKEW: Duration = Duration::from_secs(2);
/// The time from one SYN to the next while the server watches.
const PACE: Duration = Duration::from_millis(500);
/// Nobody takes longer to run one command there.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What a server's report must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// The port that was tried.
    pub port: Option<u16>,
    /// The address that was tried.
    pub address: Option<String>,
    /// The address that we come from.
    pub source: Option<String>,
    /// The time, RFC 3339.
    pub now: String,
    /// Since when we have been sending SYNs, RFC 3339; `None` when we have not.
    pub knocking_since: Option<String>,
    /// The segment size by which the SYNs that we send can be told from others.
    pub mark: Option<u16>,
}

impl Here {
    /// Takes it from the report of the client.
    pub fn of(report: &Report) -> Here {
        let seen = |probe: &str| {
            let mut steps = report.steps.iter().filter(|step| step.probe.as_deref() == Some(probe));
            steps.find_map(|step| step.observation.as_ref()).unwrap_or(&Value::Null)
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let tried = text(&seen("tcp_connect")["address"]);
        let literal = report.target.host.as_ref().filter(|host| is_address(host)).cloned();
        Here {
            port: report.target.port,
            address: tried.or(literal),
            source: text(&seen("route")["best"]["source"]),
            now: clock::utc_now(),
            knocking_since: None,
            mark: None,
        }
    }

    /// The other address by which our SYNs reach the server, when it saw them come from there.
    fn seen_as<'a>(&self, server: &'a ServerReport) -> Option<&'a str> {
        let mark = self.mark?;
        let mut ours = server.senders.iter().flatten().filter(|one| one.segment == Some(mark));
        ours.next().map(|one| one.address.as_str()).filter(|address| is_address(address))
    }
}

fn is_address(text: &str) -> bool {
    bare(text).parse::<std::net::IpAddr>().is_ok()
}

/// The address without its zone.
fn bare(address: &str) -> &str {
    address.split('%').next().unwrap_or(address)
}

/// Why a server's report is not taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// The reason, to follow "it is not taken:".
    pub why: String,
    /// The address that the command there must be given instead, when that would help.
    pub client: Option<String>,
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        Refused { why, client: None }
    }
}

/// Takes in a server's report, without what it does not prove here.
///
/// # Errors
///
/// Says why it belongs to something else.
pub fn accept(mut server: ServerReport, here: &Here) -> Result<ServerReport, Refused> {
    if let Some(port) = here.port.filter(|port| *port != server.port) {
        let why = format!("it is about port {}, and this run about port {port}", server.port);
        return Err(why.into());
    }
    let (Ok(at), Ok(now)) = (server.at.parse::<Timestamp>(), here.now.parse::<Timestamp>()) else {
        return Err(format!("its time {:?} is none", server.at).into());
    };
    if at.duration_until(now).unsigned_abs() > OLDEST {
        let why = format!(
            "it was made at {} and now it is {}: run the command there again (or set the clocks)",
            server.at, here.now
        );
        return Err(why.into());
    }
    if let (Some(address), Some(own)) = (&here.address, &server.addresses)
        && !own.iter().any(|own| bare(own) == bare(address))
    {
        // That our own SYNs come there proves that it is the one.
        if here.seen_as(&server).is_none() {
            let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
            let why = format!(
                "{} does not have the address {address} (it has {own}); behind an address \
                 translation or a balancer, diagnose the server's own address",
                server.host
            );
            return Err(why.into());
        }
        server.translated = Some(true);
    }
    server.ours = of_this_client(&server, here)?;
    // That nothing arrived proves something only if something was sent at that time, and that
    // something arrived only if that is not long ago.
    let since = here.knocking_since.as_ref().and_then(|since| since.parse::<Timestamp>().ok());
    let sent = since.is_some_and(|since| at >= since - SKEW && at <= now + SKEW);
    server.current = Some(sent || (at >= now - RECENT && at <= now + SKEW));
    let unsure = match server.arrived {
        Some(0) => !sent,
        Some(_) => server.current != Some(true),
        None => false,
    };
    if unsure {
        let what = match server.arrived {
            Some(0) => "no SYN of ours arrived",
            _ => "SYNs of ours arrived",
        };
        (server.arrived, server.half_open) = (None, None);
        server.set_aside = Some(match since {
            Some(_) => format!(
                "that {what} counts for nothing: it watched at {}, and our SYNs went there later \
                 (or the clocks differ)",
                server.at
            ),
            None => format!("that {what} counts for nothing: it watched before this run"),
        });
    }
    Ok(server)
}

/// Whether the server was asked about this machine; refuses what it found out for somebody else.
fn of_this_client(server: &ServerReport, here: &Here) -> Result<Option<bool>, Refused> {
    let (Some(source), Some(client)) = (&here.source, &server.client) else { return Ok(None) };
    let (source, client) = (bare(source), bare(client));
    match here.seen_as(server) {
        Some(seen) if client == seen => Ok(Some(true)),
        Some(seen) if seen != source => Err(Refused {
            why: format!(
                "it was asked about client {client}, and the SYNs of this machine come there from \
                 {seen} (an address translation): run it there again, with that address"
            ),
            client: Some(seen.to_owned()),
        }),
        _ if client == source => Ok(Some(true)),
        _ => Err(Refused {
            why: format!(
                "it was asked about client {client}, and this machine comes from {source}"
            ),
            client: Some(source.to_owned()),
        }),
    }
}

/// Sends a SYN twice a second, so that the server can see whether any arrives; for a quarter of an
/// hour at most, then it waits for ever.
///
/// They advertise segments of the size `mark`, by which the server's report shows them as ours also
/// where an address translation lies between.
pub async fn knock(address: &str, port: u16, mark: Option<u16>) {
    let Some(target) = host::socket_address(address, port) else {
        return std::future::pending().await;
    };
    let end = clock::now() + LONGEST;
    while clock::now() < end {
        let next = tokio::time::Instant::now() + PACE;
        // Ended before the kernel repeats it.
        let _ = probe(&Syn { max_segment: mark, ..Syn::to(target) }, PACE * 4 / 5).await;
        clock::sleep_until(next).await;
    }
    std::future::pending().await
}

/// Chooses a segment size that hardly anybody else advertises: common ones are 536 and those above 1200.
pub fn mark() -> u16 {
    600 + dns_exchange::random_id() % 500
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(fields: Value) -> ServerReport {
        let mut report = serde_json::json!({
            "port": 5432, "verdict": "healthy", "host": "db1", "at": "2026-03-08T14:00:00Z",
            "client": "10.1.0.2", "addresses": ["10.1.0.5", "fe80::1%eth0"], "arrived": 0,
        });
        if let (Some(report), Value::Object(fields)) = (report.as_object_mut(), fields) {
            report.extend(fields);
        }
        serde_json::from_value(report).expect("a report")
    }

    fn here() -> Here {
        Here {
            port: Some(5432),
            address: Some("10.1.0.5".to_owned()),
            source: Some("10.1.0.2".to_owned()),
            now: "2026-03-08T14:00:20Z".to_owned(),
            knocking_since: Some("2026-03-08T13:59:50Z".to_owned()),
            mark: Some(777),
        }
    }

    #[test]
    fn what_belongs_elsewhere_is_refused_with_the_reason() {
        let cases = [
            (serde_json::json!({"port": 80}), "it is about port 80"),
            (serde_json::json!({"addresses": ["10.9.9.9"]}), "does not have the address 10.1.0.5"),
            (serde_json::json!({"addresses": []}), "it has none"),
            (serde_json::json!({"client": "10.7.7.7"}), "it was asked about client 10.7.7.7"),
            (serde_json::json!({"at": "2026-03-08T12:00:00Z"}), "run the command there again"),
            (serde_json::json!({"at": "2026-03-08T16:00:00Z"}), "run the command there again"),
            (serde_json::json!({"at": "yesterday"}), "its time \"yesterday\" is none"),
        ];
        for (fields, says) in cases {
            let refusal = accept(server(fields), &here()).expect_err(says).why;
            assert!(refusal.contains(says), "{refusal}");
        }
    }

    #[test]
    fn what_is_not_known_refuses_nothing() {
        let fields = serde_json::json!({"addresses": null, "client": null});
        assert!(accept(server(fields), &here()).is_ok());
        let nowhere = Here { address: None, source: None, port: None, ..here() };
        assert!(accept(server(serde_json::json!({"port": 80})), &nowhere).is_ok());
        let v6 = Here { address: Some("fe80::1%c0".to_owned()), ..here() };
        assert!(accept(server(serde_json::json!({})), &v6).is_ok());
    }

    #[test]
    fn clocks_that_differ_refuse_a_report_or_set_aside_what_did_not_arrive() {
        for (at, refused, aside) in [
            ("2026-03-08T14:00:00Z", false, false),
            ("2026-03-08T14:00:22Z", false, false),
            ("2026-03-08T13:57:00Z", false, true),
            ("2026-03-08T14:03:00Z", false, true),
            ("2026-03-08T12:59:00Z", true, true),
            ("2026-03-08T15:01:00Z", true, true),
            ("2025-03-08T14:00:00Z", true, true),
            ("2027-03-08T14:00:00Z", true, true),
        ] {
            let taken = accept(server(serde_json::json!({"at": at})), &here());
            assert_eq!(taken.is_err(), refused, "{at}");
            let counts = taken.is_ok_and(|taken| taken.arrived == Some(0));
            assert_eq!(!counts, aside, "{at}");
        }
    }

    #[test]
    fn what_arrived_long_before_counts_for_nothing_and_the_report_is_not_current() {
        let late = Here { now: "2026-03-08T14:20:00Z".to_owned(), ..Here::default() };
        let fields = serde_json::json!({"arrived": 3, "half_open": true, "client": null});
        let taken = accept(server(fields.clone()), &late).expect("within the hour");
        assert_eq!((taken.arrived, taken.half_open, taken.current), (None, None, Some(false)));
        assert!(taken.brief().contains("counts for nothing"), "{}", taken.brief());
        let soon = Here { now: "2026-03-08T14:02:00Z".to_owned(), ..Here::default() };
        let taken = accept(server(fields), &soon).expect("just now");
        assert_eq!((taken.arrived, taken.current), (Some(3), Some(true)));
    }

    /// SYNs with our mark, and one of somebody else.
    fn marked(from: &str) -> Value {
        serde_json::json!([
            {"address": "10.9.9.9", "segment": 1460, "syns": 9},
            {"address": from, "segment": 777, "syns": 4},
        ])
    }

    #[test]
    fn an_address_translation_shows_in_where_our_syns_come_from() {
        let seen = marked("192.0.2.7");
        let refused = accept(server(serde_json::json!({"senders": seen})), &here());
        let refused = refused.expect_err("it was asked about our own address");
        assert!(refused.why.contains("come there from 192.0.2.7"), "{}", refused.why);
        assert_eq!(refused.client.as_deref(), Some("192.0.2.7"));
        let again = serde_json::json!({"senders": seen, "client": "192.0.2.7", "arrived": 4});
        let taken = accept(server(again), &here()).expect("it was asked about the other");
        assert_eq!((taken.arrived, taken.ours), (Some(4), Some(true)));
        let own = serde_json::json!({"senders": marked("10.1.0.2"), "arrived": 4});
        assert_eq!(accept(server(own), &here()).expect("no translation").ours, Some(true));
    }

    #[test]
    fn that_our_syns_come_there_proves_an_address_that_the_server_does_not_know() {
        let cloud =
            serde_json::json!({"addresses": ["192.168.0.5"], "senders": marked("10.1.0.2")});
        assert_eq!(accept(server(cloud), &here()).expect("proven").translated, Some(true));
        let unproven = serde_json::json!({"addresses": ["192.168.0.5"], "senders": []});
        assert!(accept(server(unproven), &here()).is_err());
    }

    #[test]
    fn no_sender_makes_it_into_a_command_but_an_address() {
        let hostile = serde_json::json!({"senders": marked("1.2.3.4; reboot")});
        let taken = accept(server(hostile), &here()).expect("nobody of ours is seen");
        assert_eq!(taken.ours, Some(true));
    }

    #[test]
    fn that_nothing_arrived_counts_only_where_something_was_sent_meanwhile() {
        let taken =
            |fields: Value, here: &Here| accept(server(fields), here).expect("it fits").arrived;
        let none = serde_json::json!({});
        assert_eq!(taken(none.clone(), &here()), Some(0));
        assert_eq!(taken(none.clone(), &Here { knocking_since: None, ..here() }), None);
        assert_eq!(taken(serde_json::json!({"at": "2026-03-08T13:59:00Z"}), &here()), None);
        let some = serde_json::json!({"arrived": 3});
        assert_eq!(taken(some, &Here { knocking_since: None, ..here() }), Some(3));
    }
}
