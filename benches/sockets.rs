//! How long it takes to list 50,000 sockets, beside the classic commands in the same run.
//!
//! The sockets live in a network namespace that this program makes for itself; it ends with it.
//! `cargo bench --bench sockets`, as root or in an unprivileged user namespace.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{enter_namespace, present};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use tcpdoctor::sys::sock_diag::SockDiag;
use tcpdoctor::wire::inet_diag::{Query, State, TCPDIAG_GETSOCK};

/// Processes that hold sockets, and the connections inside each (two sockets a connection).
const HOLDERS: u8 = 4;
const CONNECTIONS: usize = 6250;
/// The port that the first holder serves.
const PORT: u16 = 8080;
const ROUNDS: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, nth] = &arguments[..]
        && command == "hold"
    {
        return hold(nth.parse().unwrap());
    }
    enter_namespace();
    let holders: Vec<Holder> = (1..=HOLDERS).map(Holder::start).collect();
    let sockets = by_state().values().sum::<u32>();
    println!("{sockets} sockets in {HOLDERS} processes; the fastest of {ROUNDS} runs in turn\n");

    let own = env!("CARGO_BIN_EXE_tcpdoctor");
    let peak = {
        run(own, &["probe", "sockets", "--format", "json"]);
        getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() as f64 / 1024.0
    };
    let port = format!("port={PORT}");
    let mut cases: Vec<Case<'_>> = vec![
        ("bare", Box::new(bare_dump)),
        ("by state", Box::new(|| drop(by_state()))),
        ("census", Box::new(|| run(own, &["probe", "sockets", "--format", "json"]))),
        ("port", Box::new(|| run(own, &["probe", "sockets", "--with", "port=9"]))),
        ("listeners", Box::new(|| run(own, &["probe", "listeners", "--with", &port]))),
        ("ss -tan", Box::new(|| run("ss", &["-tan"]))),
        ("ss -tanp", Box::new(|| run("ss", &["-tanp"]))),
    ];
    if present("lsof") {
        cases.push(("lsof", Box::new(|| run("lsof", &["-nP", "-iTCP"]))));
    }
    let took = fastest(&mut cases);

    println!("by state alone");
    row("the kernel's bare dump", took["bare"], None);
    row(
        "sock_diag::fold, counted by state",
        took["by state"],
        Some((took["bare"], 2.0, Compare::AtMost)),
    );
    println!("\nby state and owner, whole commands");
    let census = took["census"];
    row("tcpdoctor probe sockets", census, None);
    row("ss -tanp", took["ss -tanp"], Some((census, 4.0, Compare::AtLeast)));
    match took.get("lsof") {
        Some(lsof) => row("lsof -nP -iTCP", *lsof, Some((census, 8.0, Compare::AtLeast))),
        None => println!("  lsof is not installed"),
    }
    row("ss -tan (no owners)", took["ss -tan"], Some((census, 0.0, Compare::AtLeast)));
    println!("  {:<36} {peak:>9.1} MB  (wanted < 100)  {}", "memory", verdict(peak < 100.0));
    println!("\none port, whole commands");
    for (what, key) in [
        ("tcpdoctor probe listeners, port 8080", "listeners"),
        ("tcpdoctor probe sockets, port 9", "port"),
    ] {
        let ms = took[key].as_secs_f64() * 1e3;
        println!("  {what:<36} {ms:>9.2} ms  (wanted < 20)  {}", verdict(ms < 20.0));
    }
    drop(holders);
}

#[derive(Clone, Copy)]
enum Compare {
    AtMost,
    AtLeast,
}

fn row(what: &str, took: Duration, against: Option<(Duration, f64, Compare)>) {
    let ms = took.as_secs_f64() * 1e3;
    let note = against.map(|(other, limit, compare)| {
        let ratio = took.as_secs_f64() / other.as_secs_f64();
        let (sign, kept) = match compare {
            Compare::AtMost => ("<=", ratio <= limit),
            Compare::AtLeast => (">=", ratio >= limit),
        };
        match limit {
            0.0 => format!("{ratio:>6.2} x"),
            _ => format!("{ratio:>6.2} x  (wanted {sign} {limit})  {}", verdict(kept)),
        }
    });
    println!("  {what:<36} {ms:>9.2} ms  {}", note.unwrap_or_default());
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

/// What is timed, and its name.
type Case<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// Runs all cases in turn, several times, and keeps the fastest of each: that one was disturbed
/// least by what else the machine did.
fn fastest(cases: &mut [Case<'_>]) -> BTreeMap<&'static str, Duration> {
    let mut best = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (name, work) in cases.iter_mut() {
            let start = Instant::now();
            work();
            let took = start.elapsed();
            let entry = best.entry(*name).or_insert(took);
            *entry = took.min(*entry);
        }
    }
    best
}

/// The kernel's part alone: all sockets are listed, and nothing is looked at but the end mark.
fn bare_dump() {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )
    .unwrap();
    let _ = setsockopt(&netlink, sockopt::RcvBuf, &(256 * 1024));
    let mut buffer = vec![0u8; 256 * 1024];
    let payload = Query::ALL.encode_both();
    let mut message = Vec::new();
    message.extend((16 + payload.len() as u32).to_ne_bytes());
    message.extend(TCPDIAG_GETSOCK.to_ne_bytes());
    message.extend(0x301u16.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(payload);
    send(netlink.as_raw_fd(), &message, MsgFlags::empty()).unwrap();
    loop {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
        // NLMSG_ERROR or NLMSG_DONE, a datagram of its own.
        let kinds = [2u16.to_ne_bytes(), 3u16.to_ne_bytes()];
        if length < 64 && kinds.iter().any(|kind| buffer[4..6] == *kind) {
            break;
        }
    }
}

fn by_state() -> BTreeMap<State, u32> {
    let count = |states: &mut [u32; 13], entry: tcpdoctor::wire::inet_diag::Entry<'_>| {
        states[entry.state().map_or(0, |state| state as usize)] += 1;
    };
    let states = SockDiag::open().unwrap().fold(&Query::ALL, || [0u32; 13], count).unwrap();
    State::ALL.into_iter().map(|state| (state, states[state as usize])).collect()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(
        output.stdout.len() > 100,
        "{program} said {:?}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A process that holds sockets until its standard input ends.
struct Holder(Child);

impl Holder {
    fn start(nth: u8) -> Holder {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["hold", &nth.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn hold(nth: u8) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, nth));
    let port = PORT + u16::from(nth) - 1;
    let listener = TcpListener::bind(SocketAddr::new(ip, port)).unwrap();
    let mut held = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let client = TcpStream::connect((ip, port)).expect("more open files (ulimit -n)");
        held.push((client, listener.accept().unwrap()));
    }
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
