//! What several suites need: the binary in known surroundings, a folder, ports whose state is certain.
#![allow(dead_code)] // each suite takes its part

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeSpec;
use serde_json::Value;
use socket2::{Domain, Socket, Type};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tcpdoctor");

/// What has not come by then does not come. Only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What one call of the binary did.
pub(crate) struct Done {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

/// The binary, whatever the machine's locale is, and whatever its user has set.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).env("LANG", "C.UTF-8").env("HOME", "/nonexistent").stdin(Stdio::null());
    for other in ["LC_ALL", "LC_CTYPE", "NO_COLOR", "XDG_CONFIG_HOME"] {
        command.env_remove(other);
    }
    command
}

pub(crate) fn run(args: &[&str]) -> Done {
    done(&mut command(args))
}

pub(crate) fn done(command: &mut Command) -> Done {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Done { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Waits for the end, and fails rather than waiting for ever.
pub(crate) fn ends(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::yield_now();
    }
}

/// A folder of its own for one test, removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tcpdoctor-test-{}-{nth}", std::process::id()));
        // One that a killed test of the same process id has left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a temporary folder");
        Folder(path)
    }

    /// Writes a file, and the folders above it; returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).expect("a temporary file");
        path.to_string_lossy().into_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// The names of all that is in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("own folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A service at loopback that greets every client and closes; the end of the process ends it.
pub(crate) fn open_port() -> String {
    greeting("220 hello\r\n")
}

/// As [`open_port`], with words of its own.
pub(crate) fn greeting(words: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(words.as_bytes());
        }
    });
    address
}

/// A port of loopback on which nobody listens, and which nobody else gets while this is held.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    socket: Socket,
}

impl ClosedPort {
    pub(crate) fn new() -> ClosedPort {
        let (socket, address) = bound();
        ClosedPort { address, socket }
    }

    /// Somebody listens from now on.
    pub(crate) fn open(self) -> TcpListener {
        self.socket.listen(16).expect("it listens");
        self.socket.into()
    }
}

/// A port of loopback that answers nothing while this is held: its accept queue is full.
pub(crate) struct SilentPort {
    pub(crate) address: SocketAddr,
    _held: [Socket; 2],
}

impl SilentPort {
    pub(crate) fn new() -> SilentPort {
        let (listener, address) = bound();
        // A queue of no length takes one connection, and SYNs get no answer from then on.
        listener.listen(0).expect("it listens");
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.connect(&address.into()).expect("the first is taken");
        assert!(is_ready(&listener, PollFlags::POLLIN, PATIENCE), "the connection is not queued");
        SilentPort { address, _held: [listener, client] }
    }
}

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("an IP address");
    (socket, address)
}

/// Waits for an event on a descriptor, of these or that its other end is gone; says whether it came.
pub(crate) fn is_ready(descriptor: &impl AsFd, events: PollFlags, patience: Duration) -> bool {
    let mut waiting = [PollFd::new(descriptor.as_fd(), events)];
    let patience = TimeSpec::from_duration(patience);
    ppoll(&mut waiting, Some(patience), None).expect("a descriptor") > 0
}

/// Returns the processor time that this thread has used: what else the machine does is left out.
pub(crate) fn cpu_time() -> Duration {
    let used = getrusage(UsageWho::RUSAGE_THREAD).expect("Linux has it");
    let of = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000)
    };
    of(used.user_time()) + of(used.system_time())
}
