//! The report of the server in a run of the client: whether it belongs here, and what it proves.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::model::report::Report;
use crate::model::server_report::ServerReport;
use crate::sys::tcp::{Syn, probe};
use crate::sys::{clock, host};

/// A report that is older says little about now.
const OLDEST: Duration = Duration::from_secs(60 * 60);
/// How far two clocks may be apart.
const SKEW: Duration = Duration::from_secs(5);
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
        }
    }
}

fn is_address(text: &str) -> bool {
    bare(text).parse::<std::net::IpAddr>().is_ok()
}

/// The address without its zone.
fn bare(address: &str) -> &str {
    address.split('%').next().unwrap_or(address)
}

/// Takes in a server's report, without what it does not prove here.
///
/// # Errors
///
/// Says why it belongs to something else.
pub fn accept(mut server: ServerReport, here: &Here) -> Result<ServerReport, String> {
    if let Some(port) = here.port.filter(|port| *port != server.port) {
        return Err(format!("it is about port {}, and this run about port {port}", server.port));
    }
    if let (Some(address), Some(own)) = (&here.address, &server.addresses)
        && !own.iter().any(|own| bare(own) == bare(address))
    {
        let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
        return Err(format!(
            "{} does not have the address {address} (it has {own}); behind an address translation \
             or a balancer, diagnose the server's own address",
            server.host
        ));
    }
    if let (Some(source), Some(client)) = (&here.source, &server.client)
        && bare(client) != bare(source)
    {
        return Err(format!(
            "it was asked about client {client}, and this machine comes from {source}; behind an \
             address translation, leave --client out there"
        ));
    }
    let (Ok(at), Ok(now)) = (server.at.parse::<Timestamp>(), here.now.parse::<Timestamp>()) else {
        return Err(format!("its time {:?} is none", server.at));
    };
    if at.duration_until(now).unsigned_abs() > OLDEST {
        let at = &server.at;
        return Err(format!(
            "it was made at {at} and now it is {}: run the command there again (or set the clocks)",
            here.now
        ));
    }
    // That nothing arrived proves something only if something was sent at that time.
    let since = here.knocking_since.as_ref().and_then(|since| since.parse::<Timestamp>().ok());
    let sent = since.is_some_and(|since| at >= since - SKEW && at <= now + SKEW);
    if !sent && server.arrived == Some(0) {
        server.arrived = None;
    }
    Ok(server)
}

/// Sends a SYN twice a second, so that the server can see whether any arrives; for a quarter of an
/// hour at most, then it waits for ever.
pub async fn knock(address: &str, port: u16) {
    let Some(target) = host::socket_address(address, port) else {
        return std::future::pending().await;
    };
    let end = clock::now() + LONGEST;
    while clock::now() < end {
        let next = tokio::time::Instant::now() + PACE;
        // Ended before the kernel repeats it.
        let _ = probe(&Syn::to(target), PACE * 4 / 5).await;
        clock::sleep_until(next).await;
    }
    std::future::pending().await
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
            let refusal = accept(server(fields), &here()).expect_err(says);
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
