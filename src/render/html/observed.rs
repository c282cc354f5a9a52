//! Tables of what probes saw: hops, sizes, nameservers. What does not look as expected is left out
//! here; the folded measurements have it all.

mod sizes;

use serde_json::Value;

use super::path;
use super::put::put;
use crate::model::report::Report;
use crate::render::words;
use crate::render::xml::prose;

/// Renders a section for each observation that has a table of its own.
pub(super) fn sections(report: &Report, level: u8) -> Vec<String> {
    let mut sections = Vec::new();
    let aside = path::aside(report);
    for step in path::walked(report).into_iter().chain(aside) {
        let Some(seen) = &step.observation else { continue };
        let section = match step.probe.as_deref() {
            Some("dns") => nameservers(seen, level),
            Some("tcp_trace") => hops(seen, level),
            Some("mtu") => packets(seen, level),
            _ => None,
        };
        sections.extend(section);
    }
    sections
}

pub(super) fn string<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

pub(super) fn number(value: &Value, name: &str) -> Option<f64> {
    value.get(name)?.as_f64().filter(|number| number.is_finite() && *number >= 0.0)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn strings(value: &Value, name: &str) -> Vec<String> {
    list(value, name).iter().filter_map(Value::as_str).map(prose).collect()
}

/// A word of a closed vocabulary, for people.
fn word(word: &str) -> String {
    prose(&word.replace('_', " "))
}

fn head(out: &mut String, name: &str, columns: &[&str]) {
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><table><thead><tr>"
    );
    for column in columns {
        put!(out, "<th scope=\"col\">{column}</th>");
    }
    put!(out, "</tr></thead>\n<tbody>");
}

/// A bar beside its number.
fn bar(value: Option<f64>, largest: f64) -> String {
    let Some(value) = value else { return String::new() };
    let width = if largest > 0.0 { (value / largest * 100.0).clamp(1.0, 100.0) } else { 1.0 };
    format!(
        "<span class=\"figure\">{}</span><svg class=\"bar rtt\" viewBox=\"0 0 100 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"ground\" width=\"100\" height=\"12\"/><rect class=\"value\" width=\"{width:.1}\" height=\"12\"/></svg>",
        words::duration(value)
    )
}

fn nameservers(seen: &Value, level: u8) -> Option<String> {
    let servers = list(seen, "servers");
    if servers.is_empty() {
        return None;
    }
    let mut out = String::new();
    put!(out, "<section>\n<h{level}>What each nameserver answered</h{level}>");
    if let Some(name) = string(seen, "name") {
        put!(out, "<p>Asked for <code>{}</code>.</p>", prose(name));
    }
    head(&mut out, "Nameservers", &["Server", "Answer", "Addresses", "Round trip"]);
    let largest = servers.iter().filter_map(|server| number(server, "rtt_ms")).fold(0.0, f64::max);
    for server in servers {
        let mut answer = string(server, "outcome").map(word).unwrap_or_default();
        for (field, said) in
            [("rcode", ""), ("extended_error", "; "), ("silent_on", "; nothing on ")]
        {
            let value = string(server, field).filter(|value| !value.eq_ignore_ascii_case(&answer));
            if let Some(value) = value {
                let gap = if said.is_empty() { ", " } else { said };
                answer.push_str(&format!("{gap}{}", prose(value)));
            }
        }
        if server.get("truncated").and_then(Value::as_bool) == Some(true) {
            let over_tcp = match server.get("tcp_worked").and_then(Value::as_bool) {
                Some(true) => "; truncated, whole over TCP",
                Some(false) => "; truncated, and TCP failed",
                None => "; truncated",
            };
            answer.push_str(over_tcp);
        }
        put!(
            out,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{answer}</td><td>{}</td><td>{}</td></tr>",
            string(server, "address").map(prose).unwrap_or_default(),
            strings(server, "addresses").join("<br>"),
            bar(number(server, "rtt_ms"), largest)
        );
    }
    put!(out, "</tbody></table></div>");
    let used = strings(seen, "addresses");
    if !used.is_empty() {
        put!(
            out,
            "<p>Applications use {}{}.</p>",
            used.join(", "),
            string(seen, "source")
                .map(|source| format!(" (from {})", word(source)))
                .unwrap_or_default()
        );
    }
    put!(out, "</section>");
    Some(out)
}

/// The TCP trace and, beside it, the one for comparison.
fn hops(seen: &Value, level: u8) -> Option<String> {
    let hops = list(seen, "hops");
    let compare = seen.get("compare").filter(|compare| compare.is_object());
    let compared = compare.map_or(&[][..], |compare| list(compare, "hops"));
    let ttl = |hop: &Value| number(hop, "ttl");
    let mut ttls: Vec<f64> = hops.iter().chain(compared).filter_map(ttl).collect();
    ttls.sort_by(f64::total_cmp);
    ttls.dedup();
    if ttls.is_empty() {
        return None;
    }
    let largest =
        hops.iter().chain(compared).filter_map(|hop| number(hop, "rtt_ms")).fold(0.0, f64::max);
    let method = compare.and_then(|compare| string(compare, "method")).map(str::to_uppercase);
    let mut out = String::new();
    put!(out, "<section>\n<h{level}>The path, hop by hop</h{level}>");
    let port = number(seen, "port").map(|port| format!(" port {port:.0}")).unwrap_or_default();
    let to = string(seen, "address").map(prose).unwrap_or_default();
    put!(
        out,
        "<p>TCP SYNs to <code>{to}</code>{port} with a rising hop limit{}.</p>",
        match &method {
            Some(method) => format!(", and {} beside them for comparison", prose(method)),
            None => String::new(),
        }
    );
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Hops\"><table class=\"hops\"><thead><tr><th scope=\"col\">Hop</th><th scope=\"col\">TCP to this port</th><th scope=\"col\">Round trip</th>"
    );
    if let Some(method) = &method {
        put!(out, "<th scope=\"col\">{}</th><th scope=\"col\">Round trip</th>", prose(method));
    }
    put!(out, "</tr></thead>\n<tbody>");
    let at =
        |hops: &[Value], wanted: f64| hops.iter().find(|hop| ttl(hop) == Some(wanted)).cloned();
    for wanted in ttls {
        put!(out, "<tr><th scope=\"row\">{wanted:.0}</th>{}", hop(at(hops, wanted), largest));
        if method.is_some() {
            put!(out, "{}", hop(at(compared, wanted), largest));
        }
        put!(out, "</tr>");
    }
    put!(out, "</tbody></table></div>\n</section>");
    Some(out)
}

/// Two cells: who answered and how, and the round trip.
fn hop(hop: Option<Value>, largest: f64) -> String {
    let Some(hop) = hop else { return "<td class=\"none\">not asked</td><td></td>".to_owned() };
    let mut addresses = strings(&hop, "addresses");
    if addresses.is_empty() {
        addresses.extend(string(&hop, "address").map(prose));
    }
    let said = match string(&hop, "answer") {
        Some("ttl_exceeded") | None => String::new(),
        Some("silent") => "no answer".to_owned(),
        Some("reached") => "the target".to_owned(),
        Some("reset") => "reset (RST)".to_owned(),
        Some(other) => word(other),
    };
    let icmp = hop.get("icmp").and_then(|icmp| {
        Some(format!(", ICMP {:.0}/{:.0}", number(icmp, "icmp_type")?, number(icmp, "code")?))
    });
    let lost = match (number(&hop, "sent"), number(&hop, "answered")) {
        (Some(sent), Some(answered)) if answered < sent && answered > 0.0 => {
            format!(" <span class=\"small\">{answered:.0} of {sent:.0} answered</span>")
        }
        _ => String::new(),
    };
    let class = if addresses.is_empty() { " class=\"none\"" } else { "" };
    let addresses: Vec<String> =
        addresses.iter().map(|address| format!("<code>{address}</code>")).collect();
    format!(
        "<td{class}>{} {said}{}{lost}</td><td>{}</td>",
        addresses.join("<br>"),
        icmp.unwrap_or_default(),
        bar(number(&hop, "rtt_ms"), largest)
    )
}

/// The search for the largest packet that passes.
fn packets(seen: &Value, level: u8) -> Option<String> {
    let outcome = string(seen, "outcome")?;
    let mut out = String::new();
    put!(out, "<section>\n<h{level}>Which packet sizes pass</h{level}>");
    put!(out, "<dl>");
    let bytes = |name: &str| number(seen, name).map(|size| format!("{size:.0} bytes"));
    for (name, value) in [
        ("Result", Some(word(outcome))),
        ("Largest that passes", bytes("path_mtu")),
        ("Smallest that vanishes", bytes("smallest_lost")),
        ("Largest that we would send", bytes("local_mtu")),
        ("Known before", bytes("cached_mtu")),
        ("How", string(seen, "method").map(word)),
        ("Packets sent", number(seen, "sent").map(|sent| format!("{sent:.0}"))),
    ] {
        if let Some(value) = value {
            put!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
        }
    }
    put!(out, "</dl>");
    out.push_str(&sizes::tried(list(seen, "tried"), number(seen, "path_mtu")));
    put!(out, "</section>");
    Some(out)
}
