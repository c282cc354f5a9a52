//! Many targets in one check: complete, in order, and each as it would be alone.

use std::collections::BTreeMap;
use std::net::TcpListener;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::lab::Lab;
use crate::net::Host;
use crate::rules::chain;
use crate::run::{self, Invocation, Limits, Mode, Ran};
use crate::servers::{self, Serve};
use crate::topology::Topology;
use crate::wire::Cable;

fn check(host: &Host, mode: Mode, words: &[String]) -> Result<(Ran, Value), Failed> {
    let mut arguments = vec!["check".to_owned(), "--format".to_owned(), "json".to_owned()];
    arguments.extend_from_slice(words);
    let limits = Limits::default();
    let ran = run::on(host, &Invocation { arguments: &arguments, mode, etc: &[], limits })?;
    let check = serde_json::from_str(&ran.stdout)
        .map_err(|error| format!("{error}: exit {:?}\n{}", ran.code, ran.stderr))?;
    Ok((ran, check))
}

/// What came of a target, as far as a crowd must not change it.
fn verdict(result: &Value) -> String {
    let diagnosis = &result["report"]["diagnosis"];
    let place = &diagnosis["location"];
    format!("{} {} {}", result["report"]["verdict"], diagnosis["id"], place)
}

/// 500 targets of this machine: a third each open, refused and dropped.
pub(crate) fn five_hundred() -> Result<(), Failed> {
    const COUNT: u16 = 500;
    let host = Host::new("many")?;
    let open = |nth: u16| 20_000 + nth;
    let listeners = host.enter(|| {
        (0..COUNT)
            .step_by(3)
            .map(|nth| TcpListener::bind(("127.0.0.1", open(nth))))
            .collect::<Result<Vec<_>, _>>()
    })?;
    host.nft(&chain("input", "tcp dport 22000-22999 drop"))?;
    let target = |nth: u16| format!("127.0.0.1:{}", 20_000 + 1000 * (nth % 3) + nth);
    let targets: Vec<String> = (0..COUNT).map(target).collect();
    for mode in [Mode::Root, Mode::Nobody] {
        let (ran, many) = check(&host, mode, &[targets.clone(), vec!["-q".to_owned()]].concat())?;
        let results = many["results"].as_array().ok_or("no results")?;
        let order = results.iter().map(|result| result["target"].as_str().unwrap_or_default());
        if !order.eq(targets.iter().map(String::as_str)) || ran.code != Some(1) {
            return Err(format!("not complete, or not in order: exit {:?}", ran.code).into());
        }
        let ids = [Value::Null, "tcp.refused_no_listener".into(), "fw.input_drop".into()];
        for (nth, result) in results.iter().enumerate() {
            if result["report"]["diagnosis"]["id"] != ids[nth % 3]
                || result.get("crowded").is_some()
            {
                return Err(format!("{}: {}", targets[nth], verdict(result)).into());
            }
        }
        let slowest =
            results.iter().filter_map(|result| result["duration_ms"].as_f64()).fold(0.0, f64::max);
        let took = many["duration_ms"].as_f64().unwrap_or(f64::MAX);
        // Twice the slowest and a second is what the bench wants of a quiet machine.
        if took > 4.0 * (2.0 * slowest + 1000.0) {
            return Err(format!("{took} ms in all, {slowest} ms the slowest").into());
        }
    }
    drop(listeners);
    Ok(())
}

/// A bit for each type of ICMP message that is limited; 6168 is unreachable (3), source quench (4),
/// time exceeded (11) and parameter problem (12), the kernel's default.
const ICMP_LIMITED: &str = "net/ipv4/icmp_ratemask";

/// Behind routers that limit their ICMP errors: open, refused, rejected, dropped at two places.
pub(crate) fn behind_routers() -> Result<(), Failed> {
    let lab = Lab::build(Topology::Line(2), Cable::default())?;
    for port in 2000..2012 {
        servers::serve(&lab.stage, lab.host("s"), port, Serve::Reads)?;
    }
    lab.host("r1").nft(&chain(
        "forward",
        "tcp dport 4000-4999 reject with icmpx type admin-prohibited; tcp dport 5000-5999 drop",
    ))?;
    lab.host("s").nft(&chain("input", "tcp dport 6000-6999 drop"))?;
    let kinds = [(2000, 12), (3000, 12), (4000, 2), (5000, 2), (6000, 2)];
    let host = lab.host("c");
    let target = |port: u16| format!("10.4.3.2:{port}");
    // No error counts as long as none is of a kind that is limited: the crowd finds the limits as if
    // nobody had been there (Linux: to each receiver one error a second, six at once).
    let limited = |kinds: &str| -> std::io::Result<()> {
        ["r1", "r2", "s"].iter().try_for_each(|on| lab.host(on).sysctl(ICMP_LIMITED, kinds))
    };
    limited("0")?;
    let mut alone = BTreeMap::new();
    for (port, _) in kinds {
        let (_, one) = check(host, Mode::Nobody, &[target(port)])?;
        alone.insert(port, verdict(&one["results"][0]));
    }
    limited("6168")?;
    let ports: Vec<u16> = (0..12)
        .flat_map(|nth| kinds.map(|(port, count)| (nth < count).then_some(port + nth)))
        .flatten()
        .collect();
    let targets: Vec<String> = ports.iter().map(|port| target(*port)).collect();
    let (_, many) = check(host, Mode::Nobody, &targets)?;
    for (nth, port) in ports.iter().enumerate() {
        let (came, alone) = (verdict(&many["results"][nth]), &alone[&(port / 1000 * 1000)]);
        if came != *alone {
            return Err(format!("{port}: {came} in a crowd, {alone} alone").into());
        }
    }
    Ok(())
}
