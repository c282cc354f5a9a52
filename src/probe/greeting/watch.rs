//! One connection, watched for what the server's program does with it.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::time::{Instant, timeout, timeout_at};

use crate::probe::greeting::GreetingOutcome;
use crate::sys::socket::Watched;
use crate::sys::tcp::{self, Attempt, Syn, SynAnswer};
use crate::sys::{clock, errqueue};

/// What to do with the connection.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// Wait for the server's first word.
    Listen,
    /// Send this and wait for the answer.
    Speak(Vec<u8>),
    /// Say nothing: close our side and see whether a program notices.
    CloseOnly,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watch {
    pub(super) outcome: GreetingOutcome,
    pub(super) spoke: bool,
    /// The first bytes received.
    pub(super) data: Option<Vec<u8>>,
    /// The time to them, from the handshake or our request on, in milliseconds.
    pub(super) first_byte_ms: Option<f64>,
    /// Whether what we sent was acknowledged.
    pub(super) acknowledged: Option<bool>,
    /// Whether the server reacted to our close.
    pub(super) close_answered: Option<bool>,
}

/// What came of one read.
#[derive(Debug, Clone, PartialEq)]
enum Came {
    Data(Vec<u8>),
    Close,
    Reset,
    Nothing,
}

/// How long a server that said nothing may take to answer our close, besides two round trips.
const AFTER_SILENCE: Duration = Duration::from_millis(500);
/// How long to look for an early close, besides a round trip, before closing our own side: time for a
/// busy server to accept. Pings and packets of full size are under way meanwhile.
const EARLY: Duration = Duration::from_millis(25);
/// The same at loopback, where nothing else is under way that would take as long.
const EARLY_HERE: Duration = Duration::from_millis(10);
/// The longest look for an early close.
const EARLY_MOST: Duration = Duration::from_millis(150);

/// Opens a connection and watches it, at most `patience` for the first reaction.
pub(super) async fn run(target: SocketAddr, plan: &Plan, patience: Duration) -> Watch {
    let mut watch = Watch {
        outcome: GreetingOutcome::NotConnected,
        spoke: false,
        data: None,
        first_byte_ms: None,
        acknowledged: None,
        close_answered: None,
    };
    let mut attempt = Attempt::start(&Syn::to(target));
    let Ok(report) = timeout(patience, attempt.answer()).await else {
        return watch;
    };
    let (SynAnswer::SynAck, Some(socket)) = (report.answer, attempt.socket()) else {
        return watch;
    };
    // Reset as soon as it was open, and that error is read already.
    if report.errno == Some(libc::ECONNRESET) {
        watch.take(Came::Reset, 0.0);
        return watch;
    }
    // Soft errors must not end an established connection (ip(7), IP_RECVERR).
    errqueue::disable(socket.as_fd(), target.is_ipv6());
    let rtt = report.rtt.unwrap_or_default();
    let opened = clock::now();
    let until = Instant::now() + patience;
    let came = match plan {
        Plan::Listen => read(socket, until).await,
        Plan::Speak(hello) => {
            watch.spoke = true;
            // A few bytes always fit into the empty send buffer of a new connection.
            match socket.socket().send(hello) {
                Ok(_) => read(socket, until).await,
                Err(_) => Came::Reset,
            }
        }
        Plan::CloseOnly => {
            let early = if target.ip().is_loopback() { EARLY_HERE } else { EARLY };
            read(socket, Instant::now() + (rtt + early).min(EARLY_MOST)).await
        }
    };
    watch.take(came, clock::ms_since(opened));
    if watch.outcome == GreetingOutcome::Silent {
        watch.close_answered = Some(false);
        let until = match plan {
            Plan::CloseOnly => until,
            _ => Instant::now() + AFTER_SILENCE.min(patience) + rtt * 2,
        };
        let came = match socket.socket().shutdown(Shutdown::Write) {
            Ok(()) => read(socket, until).await,
            Err(_) => Came::Reset,
        };
        if came != Came::Nothing {
            watch.close_answered = Some(true);
            watch.take(came, clock::ms_since(opened));
        }
    }
    if watch.spoke || watch.close_answered.is_some() {
        watch.acknowledged = acknowledged(socket, watch.outcome);
    }
    if watch.outcome != GreetingOutcome::Silent {
        // An ordinary close, so that the server logs no reset. It can only fail on a closed
        // descriptor.
        let _ = socket.socket().set_linger(None);
    }
    watch
}

impl Watch {
    fn take(&mut self, came: Came, at_ms: f64) {
        self.outcome = match came {
            Came::Data(data) => {
                self.data = Some(data);
                self.first_byte_ms = Some(at_ms);
                GreetingOutcome::Answered
            }
            Came::Close if self.close_answered.is_some() => GreetingOutcome::Closed,
            Came::Close => GreetingOutcome::ClosedEarly,
            Came::Reset => GreetingOutcome::Reset,
            Came::Nothing => GreetingOutcome::Silent,
        };
    }
}

/// Reads the first bytes that come until then.
async fn read(socket: &Watched, until: Instant) -> Came {
    let look = socket.when_ready(Interest::READABLE, |socket| {
        let mut buffer = [0; 512];
        let mut socket = socket;
        match socket.read(&mut buffer) {
            Ok(0) => Some(Came::Close),
            Ok(length) => Some(Came::Data(buffer[..length].to_vec())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) if error.raw_os_error() == Some(libc::ETIMEDOUT) => Some(Came::Nothing),
            Err(_) => Some(Came::Reset),
        }
    });
    match timeout_at(until, look).await {
        Ok(Ok(came)) => came,
        Ok(Err(_)) | Err(_) => Came::Nothing,
    }
}

/// Whether the peer's kernel has acknowledged everything; after a reset that is not known.
fn acknowledged(socket: &Watched, outcome: GreetingOutcome) -> Option<bool> {
    if outcome == GreetingOutcome::Reset {
        return None;
    }
    let info = tcp::info(socket.as_fd())?;
    Some(info.unacked? == 0 && info.notsent.unwrap_or(0) == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;
    use crate::sys::closed;

    const PATIENCE: Duration = Duration::from_secs(60);
    /// For servers that never react: every wait is as long as this. Longer than a delayed
    /// acknowledgement (40 ms).
    const SHORT: Duration = Duration::from_millis(200);

    fn watched(serve: fn(TcpStream), plan: &Plan, patience: Duration) -> Watch {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let target = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                serve(stream);
            }
        });
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let watch = runtime.block_on(run(target, plan, patience));
        drop(runtime);
        server.join().expect("the server ends");
        watch
    }

    fn reads_to_the_end(mut stream: TcpStream) {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    }

    #[test]
    fn a_banner_is_an_answer() {
        let greet = |mut stream: TcpStream| {
            stream.write_all(b"220 ready\r\n").expect("write");
            reads_to_the_end(stream);
        };
        let watch = watched(greet, &Plan::Listen, PATIENCE);
        assert_eq!(watch.outcome, GreetingOutcome::Answered);
        assert_eq!(watch.data.as_deref(), Some(&b"220 ready\r\n"[..]));
        assert_eq!((watch.acknowledged, watch.close_answered), (None, None));
        assert!(!watch.spoke);
    }

    #[test]
    fn a_program_that_reads_answers_our_close() {
        let watch = watched(reads_to_the_end, &Plan::CloseOnly, PATIENCE);
        assert_eq!(watch.outcome, GreetingOutcome::Closed);
        assert_eq!(watch.close_answered, Some(true));
        assert_eq!(watch.acknowledged, Some(true));
    }

    #[test]
    fn a_program_that_never_reads_is_silent_though_its_kernel_acknowledges() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let target = listener.local_addr().expect("an address");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for plan in [Plan::CloseOnly, Plan::Listen, Plan::Speak(b"hello".to_vec())] {
            let watch = runtime.block_on(run(target, &plan, SHORT));
            assert_eq!(watch.outcome, GreetingOutcome::Silent, "{plan:?}");
            assert_eq!(watch.close_answered, Some(false));
            assert_eq!(watch.acknowledged, Some(true));
            assert_eq!(watch.spoke, matches!(plan, Plan::Speak(_)));
        }
    }

    #[test]
    fn a_close_before_ours_is_early() {
        let watch = watched(drop, &Plan::Listen, PATIENCE);
        assert_eq!(watch.outcome, GreetingOutcome::ClosedEarly);
        assert_eq!(watch.close_answered, None);
    }

    #[test]
    fn a_reset_right_after_the_handshake_is_a_reset() {
        let reset = |stream: TcpStream| {
            let socket = socket2::Socket::from(stream);
            socket.set_linger(Some(Duration::ZERO)).expect("linger");
        };
        for plan in [Plan::Listen, Plan::CloseOnly] {
            let watch = watched(reset, &plan, PATIENCE);
            assert_eq!(watch.outcome, GreetingOutcome::Reset, "{plan:?}");
        }
    }

    #[test]
    fn a_request_is_answered() {
        let answer = |mut stream: TcpStream| {
            let mut request = [0; 4];
            stream.read_exact(&mut request).expect("read");
            stream.write_all(b"PONG").expect("write");
            reads_to_the_end(stream);
        };
        let watch = watched(answer, &Plan::Speak(b"PING".to_vec()), PATIENCE);
        assert_eq!(watch.outcome, GreetingOutcome::Answered);
        assert!(watch.spoke);
        assert_eq!(watch.data.as_deref(), Some(&b"PONG"[..]));
    }

    #[test]
    fn a_closed_port_is_not_connected() {
        let closed = closed::tcp(Ipv4Addr::LOCALHOST.into());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let watch = runtime.block_on(run(closed.address, &Plan::Listen, PATIENCE));
        assert_eq!(watch.outcome, GreetingOutcome::NotConnected);
    }
}
