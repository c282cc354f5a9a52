//! Values of the report as words: times, places, how sure.

use crate::model::diagnosis::{Confidence, Location, Place, RemedyPlace};
use crate::model::report::Verdict;
use crate::render::sanitise;

/// Says a duration, given in milliseconds, with the precision a person reads.
pub fn duration(ms: f64) -> String {
    if !ms.is_finite() || ms < 0.0 {
        return "?".to_owned();
    }
    if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 59_950.0 {
        format!("{:.2} s", ms / 1e3)
    } else if ms < 6e5 {
        let seconds = (ms / 1e3).round() as u64;
        format!("{}m {}s", seconds / 60, seconds % 60)
    } else if ms < 3.6e9 {
        format!("{:.1} h", ms / 3.6e6)
    } else {
        "?".to_owned()
    }
}

/// Says how long something has been going on, given in milliseconds.
pub(super) fn elapsed(ms: f64) -> String {
    if ms < 60_000.0 { format!("{:.1} s", ms.max(0.0) / 1e3) } else { duration(ms) }
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healthy => "HEALTHY",
        Verdict::Degraded => "DEGRADED",
        Verdict::Fault => "FAULT",
        Verdict::Inconclusive => "INCONCLUSIVE",
    }
}

pub(super) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Confirmed => "confirmed: it was seen directly",
        Confidence::Likely => "likely: the best explanation of what was seen",
        Confidence::Possible => "possible: other causes fit as well",
    }
}

pub(super) fn place(location: &Location) -> String {
    let address = location.address.as_deref().map(sanitise::line);
    let hop = location.hop.filter(|hop| *hop > 0);
    match (location.kind, hop, address) {
        (Place::Here, _, None) => "this machine".to_owned(),
        (Place::Here, _, Some(address)) => format!("this machine ({address})"),
        (Place::Path, None, None) => "the path, before the first hop that answers".to_owned(),
        (Place::Path, Some(hop), None) => format!("the path at or after hop {hop}"),
        (Place::Path, None, Some(address)) => format!("the path at or after {address}"),
        (Place::Path, Some(hop), Some(address)) => {
            format!("the path at or after hop {hop} ({address})")
        }
        (Place::Hop, Some(hop), Some(address)) => format!("hop {hop} ({address})"),
        (Place::Hop, Some(hop), None) => format!("hop {hop}"),
        (Place::Hop, None, Some(address)) => format!("the box {address}"),
        (Place::Hop, None, None) => "a box on the way".to_owned(),
        (Place::Target, _, Some(address)) => format!("the target ({address})"),
        (Place::Target, _, None) => "the target".to_owned(),
        (Place::Resolver, _, Some(address)) => format!("the resolver {address}"),
        (Place::Resolver, _, None) => "the resolver".to_owned(),
    }
}

/// Says where a remedy is to be applied.
pub fn remedy_place(place: RemedyPlace) -> &'static str {
    match place {
        RemedyPlace::Here => "on this machine",
        RemedyPlace::Target => "on the target",
        RemedyPlace::Network => "in the network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_size() {
        let cases = [
            (0.04, "0.0 ms"),
            (0.46, "0.5 ms"),
            (9.96, "10 ms"),
            (999.4, "999 ms"),
            (999.9, "1.00 s"),
            (1834.0, "1.83 s"),
            (61_000.0, "1m 1s"),
            (5_400_000.0, "1.5 h"),
            (f64::NAN, "?"),
            (-1.0, "?"),
        ];
        for (ms, said) in cases {
            assert_eq!(duration(ms), said, "{ms}");
        }
    }

    #[test]
    fn a_path_without_any_answering_hop_is_said_to_be_before_the_first() {
        let location = Location { kind: Place::Path, hop: Some(0), address: None };
        assert!(place(&location).contains("before the first hop"));
    }
}
