//! `connections`: the open connections to a peer or on a port, with the kernel's numbers of each.

mod limit;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::outcome::Why;
use crate::probe::Probe;
use crate::probe::owner::{Book, Claim};
use crate::sys::sock_diag::SockDiag;
use crate::wire::inet_diag::{Entry, Query, State, attribute};
use crate::wire::tcp_info::TcpInfo;

pub use limit::LimitedBy;
use limit::{Queues, limited_by, mostly};

/// The `connections` probe.
pub enum Connections {}

/// Arguments of [`Connections`].
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionsArgs {
    /// Only connections with this remote address; null is any.
    #[serde(default)]
    pub peer: Option<String>,
    /// Only connections with this local port; null is any.
    #[serde(default)]
    pub port: Option<u16>,
    /// Only connections with this remote port; null is any.
    #[serde(default)]
    pub peer_port: Option<u16>,
    /// How many are told at most: those with trouble first.
    #[serde(default = "default_max")]
    pub max: u32,
}

fn default_max() -> u32 {
    50
}

/// One connection. What this kernel does not tell is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// The local address and port.
    pub local: String,
    /// The remote address and port.
    pub peer: String,
    /// The state, for example `established`.
    pub state: String,
    /// What keeps it from going faster.
    pub limited_by: LimitedBy,
    /// The round-trip time, smoothed, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// How much it varies, in milliseconds.
    pub rttvar_ms: Option<f64>,
    /// The lowest round-trip time, in milliseconds.
    pub min_rtt_ms: Option<f64>,
    /// Time-outs in a row, at this moment.
    pub retransmits: u32,
    /// Segments sent again since the connection began.
    pub total_retransmits: Option<u32>,
    /// Segments sent and not acknowledged.
    pub unacked: Option<u32>,
    /// The congestion window, in segments.
    pub cwnd: Option<u32>,
    /// The largest segment sent, in bytes.
    pub snd_mss: Option<u32>,
    /// The path MTU that the kernel believes in, in bytes.
    pub pmtu: Option<u32>,
    /// How long there was data to send, in milliseconds.
    pub busy_ms: Option<u64>,
    /// For how long of that the peer's window was full, in milliseconds.
    pub rwnd_limited_ms: Option<u64>,
    /// For how long of that our send buffer was too small, in milliseconds.
    pub sndbuf_limited_ms: Option<u64>,
    /// The peer's receive window, in bytes; 0 means that it takes nothing more.
    pub snd_wnd: Option<u32>,
    /// Bytes written by the application that have not been sent once.
    pub notsent: Option<u32>,
    /// Bytes that the peer acknowledged.
    pub bytes_acked: Option<u64>,
    /// Bytes that the peer sent.
    pub bytes_received: Option<u64>,
    /// The last delivery rate, in bytes per second.
    pub delivery_rate: Option<u64>,
    /// Milliseconds since data was sent last.
    pub last_sent_ms: Option<u32>,
    /// Milliseconds since data was received last.
    pub last_received_ms: Option<u32>,
    /// Bytes that our application has not read.
    pub receive_queue: u32,
    /// Bytes that the peer has not acknowledged.
    pub send_queue: u32,
    /// The process that holds the connection; null when hidden, or when not accepted yet.
    pub pid: Option<u32>,
    /// The owner in words, or `hidden (…)`.
    pub owner_name: String,
    /// The user who made the socket; 0 (root) as well for one that nobody accepted yet.
    pub uid: u32,
}

/// What [`Connections`] saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsSeen {
    /// The connections that were asked for, in all states but listening, half-open and TIME_WAIT.
    pub total: u32,
    /// What most of those that are not idle are limited by; null without connections.
    pub limited_by: Option<LimitedBy>,
    /// Connections by what limits them; every word is there.
    pub limits: BTreeMap<String, u32>,
    /// Connections with time-outs in a row, at this moment.
    pub retransmitting: u32,
    /// Connections whose peer takes nothing more (zero window).
    pub zero_window: u32,
    /// The median of the round-trip times, in milliseconds; null without connections.
    pub rtt_ms: Option<f64>,
    /// The longest of the round-trip times, in milliseconds; null without connections.
    pub rtt_max_ms: Option<f64>,
    /// The connections, those with trouble first.
    pub connections: Vec<Connection>,
}

impl Probe for Connections {
    const ID: &'static str = "connections";
    const DOC: &'static str = "Reads the kernel's numbers of the open connections to a peer or on a \
        port: round-trip time, retransmissions, windows, queues, and what limits each.";
    const PRIVILEGE: &'static str = "Naming the processes of other users needs root; the numbers do \
        not.";
    type Args = ConnectionsArgs;
    type Seen = ConnectionsSeen;

    async fn run(args: ConnectionsArgs) -> Result<ConnectionsSeen, Why> {
        let work = tokio::task::spawn_blocking(move || look(&args));
        work.await.unwrap_or(Err(Why::Interrupted))
    }

    fn brief(seen: &ConnectionsSeen) -> String {
        let Some(by) = seen.limited_by else {
            return "no connections".to_owned();
        };
        let mut parts = vec![format!("{} connections", seen.total)];
        if let Some(rtt) = seen.rtt_ms {
            parts.push(format!("{rtt:.1} ms"));
        }
        match by {
            LimitedBy::Idle => parts.push("idle".to_owned()),
            by => parts.push(format!("limited by the {}", by.word())),
        }
        for (count, what) in
            [(seen.retransmitting, "retransmitting"), (seen.zero_window, "with a zero window")]
        {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

/// The states in which two sides have, or seek, a connection.
const CONNECTED: [State; 7] = [
    State::Established,
    State::SynSent,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::LastAck,
    State::Closing,
];
/// The timer of zero-window probes, and that of retransmissions.
const PROBE_TIMER: u8 = 4;
const RETRANSMISSION_TIMER: u8 = 1;

/// One connection, before its owner is named.
#[derive(Debug, Clone, Copy)]
struct Line {
    local: SocketAddr,
    peer: SocketAddr,
    state: State,
    claim: Claim,
    queues: Queues,
    info: TcpInfo,
    by: LimitedBy,
}

impl Line {
    fn read(entry: Entry<'_>) -> Option<Line> {
        let state = entry.state()?;
        let info = entry.attribute(attribute::INFO).map(TcpInfo::parse).unwrap_or_default();
        let fin = u32::from(state == State::CloseWait);
        let timeouts = match entry.timer() {
            RETRANSMISSION_TIMER => entry.retransmits(),
            _ => 0,
        };
        let queues = Queues {
            // The peer's FIN counts as one byte.
            unread: entry.receive_queue().saturating_sub(fin),
            unsent: entry.send_queue(),
            probing: entry.timer() == PROBE_TIMER,
            timeouts,
        };
        Some(Line {
            local: entry.local(),
            peer: entry.peer(),
            state,
            claim: Claim { inode: entry.inode(), uid: entry.uid(), cgroup: entry.cgroup() },
            queues,
            info,
            by: limited_by(queues, &info),
        })
    }

    /// What goes first in the list: the worst limit, then the fullest queues.
    fn rank(&self) -> (LimitedBy, Reverse<u8>, Reverse<u32>) {
        let queued = self.queues.unsent.max(self.queues.unread);
        (self.by, Reverse(self.queues.timeouts), Reverse(queued))
    }

    fn told(&self, book: &mut Book) -> Connection {
        let info = &self.info;
        let ms = |us: Option<u32>| us.map(|us| f64::from(us) / 1e3);
        let whole_ms = |us: Option<u64>| us.map(|us| us / 1000);
        Connection {
            local: self.local.to_string(),
            peer: self.peer.to_string(),
            state: self.state.name().to_owned(),
            limited_by: self.by,
            rtt_ms: measured(info),
            rttvar_ms: measured(info).and(ms(info.rttvar_us)),
            // The kernel begins with the largest number: nothing was measured yet.
            min_rtt_ms: ms(info.min_rtt_us.filter(|us| *us != u32::MAX)),
            retransmits: self.queues.timeouts.into(),
            total_retransmits: info.total_retrans,
            unacked: info.unacked,
            cwnd: info.cwnd,
            snd_mss: info.snd_mss,
            pmtu: info.pmtu,
            busy_ms: whole_ms(info.busy_us),
            rwnd_limited_ms: whole_ms(info.rwnd_limited_us),
            sndbuf_limited_ms: whole_ms(info.sndbuf_limited_us),
            snd_wnd: info.snd_wnd,
            notsent: info.notsent,
            bytes_acked: info.bytes_acked,
            bytes_received: info.bytes_received,
            delivery_rate: info.delivery_rate,
            last_sent_ms: info.last_sent_ms,
            last_received_ms: info.last_received_ms,
            receive_queue: self.queues.unread,
            send_queue: self.queues.unsent,
            pid: book.known(self.claim).map(|(pid, _)| pid),
            owner_name: book.name(self.claim, None),
            uid: self.claim.uid,
        }
    }
}

/// The round-trip time in milliseconds; the kernel tells 0 before it measured one.
fn measured(info: &TcpInfo) -> Option<f64> {
    info.rtt_us.filter(|us| *us > 0).map(|us| f64::from(us) / 1e3)
}

/// What is counted of all connections, and the worst of them.
#[derive(Debug, Default)]
struct Gathered {
    total: u32,
    limits: [u32; LimitedBy::ALL.len()],
    retransmitting: u32,
    zero_window: u32,
    rtts_us: Vec<u32>,
    worst: Vec<Line>,
}

impl Gathered {
    fn add(&mut self, line: Line, most: usize) {
        self.total += 1;
        self.limits[line.by as usize] += 1;
        self.retransmitting += u32::from(line.queues.timeouts > 0);
        self.zero_window += u32::from(line.queues.probing || line.info.snd_wnd == Some(0));
        self.rtts_us.extend(line.info.rtt_us.filter(|us| *us > 0));
        self.worst.push(line);
        if self.worst.len() >= most.saturating_mul(4).max(256) {
            self.keep(most);
        }
    }

    fn keep(&mut self, most: usize) {
        self.worst.sort_by_key(Line::rank);
        self.worst.truncate(most);
    }
}

fn look(args: &ConnectionsArgs) -> Result<ConnectionsSeen, Why> {
    let peer: Option<IpAddr> = match args.peer.as_deref().map(|text| (text, text.parse())) {
        None => None,
        Some((_, Ok(address))) => Some(address),
        Some((text, Err(_))) => {
            return Err(Why::Unsupported { what: format!("the address {text:?}") });
        }
    };
    let query = Query {
        states: CONNECTED.iter().map(|state| state.bit()).sum(),
        local_port: args.port,
        peer_port: args.peer_port,
        peer,
        detailed: true,
    };
    let most = usize::try_from(args.max).unwrap_or(usize::MAX);
    let mut all = SockDiag::open()?.fold(&query, Gathered::default, |all, entry| {
        if let Some(line) = Line::read(entry) {
            all.add(line, most);
        }
    })?;
    all.keep(most);
    let claims: Vec<Claim> = all.worst.iter().map(|line| line.claim).collect();
    let mut book = Book::of(&claims, &[])?;
    let limits: Vec<(LimitedBy, u32)> = LimitedBy::ALL.into_iter().zip(all.limits).collect();
    all.rtts_us.sort_unstable();
    let ms = |us: Option<&u32>| us.map(|us| f64::from(*us) / 1e3);
    Ok(ConnectionsSeen {
        total: all.total,
        limited_by: mostly(&limits),
        limits: limits.iter().map(|(by, count)| (by.word().to_owned(), *count)).collect(),
        retransmitting: all.retransmitting,
        zero_window: all.zero_window,
        rtt_ms: ms(all.rtts_us.get(all.rtts_us.len() / 2)),
        rtt_max_ms: ms(all.rtts_us.last()),
        connections: all.worst.iter().map(|line| line.told(&mut book)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    async fn run(port: u16) -> ConnectionsSeen {
        let args = serde_json::json!({"port": port, "peer": "127.0.0.1"});
        Connections::run(serde_json::from_value(args).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn unread_data_is_the_applications_and_has_this_process_as_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        client.write_all(b"hello").unwrap();
        _ = server.peek(&mut [0; 5]).unwrap();
        let seen = run(port).await;
        assert_eq!((seen.total, seen.limited_by), (1, Some(LimitedBy::Application)));
        let one = &seen.connections[0];
        assert_eq!((one.receive_queue, one.pid), (5, Some(std::process::id())));
        assert_eq!(one.bytes_received, Some(5));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_the_receiver() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let block = vec![0; 1 << 20];
        while server.write(&block).is_ok() {}
        // The peer's stack closes its window a moment later.
        let closes = async {
            while run(port).await.zero_window == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), closes).await.unwrap();
        assert_eq!(run(port).await.limited_by, Some(LimitedBy::Receiver));
    }

    #[tokio::test]
    async fn no_connection_is_no_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let seen = run(listener.local_addr().unwrap().port()).await;
        assert_eq!((seen.total, seen.limited_by, seen.rtt_ms), (0, None, None));
        assert_eq!(Connections::brief(&seen), "no connections");
    }
}
