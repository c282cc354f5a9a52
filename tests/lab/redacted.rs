//! Every report of the lab, redacted: no address and no name is left, and it replays to the same.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;

use crate::expect::text;
use crate::run;

/// Redacts a saved report, replays that, and says what is wrong with either.
pub(crate) fn broken_by(saved: &Path, report: &Value) -> io::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let redacted = run::replay(saved, &["--redact"])?;
    let left: Vec<String> = names(report)
        .into_iter()
        .filter(|name| words(&redacted.stdout).any(|word| word == name.as_str()))
        .collect();
    if !left.is_empty() {
        wrong.push(format!("redacted, it still names {left:?}"));
    }
    let file = saved.with_extension("redacted.json");
    fs::write(&file, &redacted.stdout)?;
    let again = run::replay(&file, &[])?;
    let Ok(again) = serde_json::from_str::<Value>(&again.stdout) else {
        wrong.push(format!("redacted, it does not replay: {}{}", redacted.stderr, again.stderr));
        return Ok(wrong);
    };
    let (was, is) = (essence(report), essence(&again));
    if was != is {
        wrong.push(format!("redacted, it replays otherwise:\n  was {was}\n  is  {is}"));
    }
    Ok(wrong)
}

fn essence(report: &Value) -> String {
    let id = text(&report["diagnosis"]["id"]);
    format!("{} {id} by {}", text(&report["verdict"]), report["path"])
}

/// The parts of a text that could be an address or a name.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || ".:-_".contains(c)))
        .map(|word| word.trim_matches(['.', ':']))
        .flat_map(|word| [Some(word), word.rsplit_once(':').map(|(host, _)| host)])
        .flatten()
}

/// What a redacted report must not have: addresses that name a machine, and host names.
fn names(report: &Value) -> BTreeSet<String> {
    let whole = report.to_string();
    let is_special = |address: IpAddr| {
        address.is_loopback()
            || address.is_unspecified()
            || address.is_multicast()
            || matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 255)
    };
    let addresses = words(&whole).filter(|word| word.contains(['.', ':']));
    let addresses = addresses.filter(|word| word.parse().is_ok_and(|one| !is_special(one)));
    let mut names: BTreeSet<String> = addresses.map(str::to_owned).collect();
    // The product's own documentation addresses are what it writes instead.
    names.retain(|name| !name.starts_with("192.0.2.") && !name.starts_with("2001:db8:"));
    names.extend(words(&whole).filter(|word| word.ends_with(".lab.test")).map(str::to_owned));
    let host = report["vantage"]["hostname"].as_str().unwrap_or_default();
    if host.len() > 1 {
        names.insert(host.to_owned());
    }
    names
}
