//! The arguments of `tcpdoctor diagnose`.

use std::net::IpAddr;

use clap::Args as ClapArgs;

use super::{Judge, pair};

/// Arguments of `diagnose`.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct DiagnoseArgs {
    /// host:port, [v6]:port, a URL whose scheme gives the port (https://…, postgres://…), or :port when
    /// this machine is the server; not needed for a runbook about this machine alone
    pub(in crate::cli) target: Option<String>,
    /// Answer a question of the runbook beforehand; unknown is always an answer (may be repeated)
    #[arg(long, value_name = "STEP=CHOICE", value_parser = pair)]
    pub(in crate::cli) answer: Vec<(String, String)>,
    /// With :port, the client that cannot connect, by the address that it comes from
    #[arg(long, value_name = "ADDRESS", value_parser = client)]
    pub(in crate::cli) client: Option<Client>,
    /// What a run on the server saw of the port: its --format code or json; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) server_report: Option<String>,
    /// Also tell in prose how the result came about: what was asked, seen, decided, excluded
    #[arg(long)]
    pub(in crate::cli) explain: bool,
    #[command(flatten)]
    pub(in crate::cli) judge: Judge,
}

/// A client: one, or any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Client {
    /// By the address that it comes from.
    One(IpAddr),
    /// Nobody in particular.
    Any,
}

fn client(text: &str) -> Result<Client, String> {
    if text == "any" {
        return Ok(Client::Any);
    }
    let bare = text.trim_matches(['[', ']']);
    let bare = bare.split('%').next().unwrap_or(bare);
    let address = bare.parse::<IpAddr>();
    address
        .map(|address| Client::One(address.to_canonical()))
        .map_err(|_| "write an IPv4 or IPv6 address, without a port".to_owned())
}
