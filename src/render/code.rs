//! What a server sees of its port, as a few lines that can be copied into the client's terminal.

use std::io::{self, Write};

use crate::model::check::Check;
use crate::model::server_report::{ServerReport, encode};

pub(super) fn write(check: &Check, out: &mut dyn Write) -> io::Result<()> {
    let report = check.results.first().filter(|_| check.alone);
    let Some(report) = report.and_then(|result| result.report.as_ref()) else {
        return Err(io::Error::other("a code is made of one report"));
    };
    let server = ServerReport::of(report)
        .map_err(|why| io::Error::other(format!("no code can be made of the report: {why}")))?;
    out.write_all(encode(&server).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::expect::FailOn;
    use crate::model::report::Report;
    use crate::model::server_report::decode;

    #[test]
    fn a_report_of_a_server_becomes_a_code_and_one_of_a_client_does_not() {
        let text = include_str!("../../tests/render/reports/refused.json");
        let mut report: Report = serde_json::from_str(text).expect("a report");
        let written = |report: &Report| {
            let mut out = Vec::new();
            let check = Check::of(report.clone(), &FailOn::default(), false);
            write(&check, &mut out).map(|()| String::from_utf8(out).expect("ASCII"))
        };
        assert!(written(&report).expect_err("a client").to_string().contains("no code"));
        report.target.host = None;
        let step = &mut report.steps[0];
        step.probe = Some("listeners".to_owned());
        step.observation = Some(serde_json::json!({
            "outcome": "loopback_only", "listeners": [{"address": "127.0.0.1"}], "queue": 0,
        }));
        let server = decode(&written(&report).expect("a server")).expect("it is read back");
        assert_eq!(server.listens_at, Some(vec!["127.0.0.1".to_owned()]));
        assert_eq!(server.host, report.vantage.hostname);
    }
}
