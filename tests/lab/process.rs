//! Service processes: this very program, started once more on a host, so that a service has a process
//! id, a command, a user and limits of its own.
//!
//! The process does what its arguments say, one after the other, says `ready` and then waits for the
//! end of its standard input, which comes with the end of the lab at the latest.
#![allow(unsafe_code, clippy::print_stdout)]

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};

use crate::net::{Host, has_other_users};

/// The first argument of such a process.
pub(crate) const ARGUMENT: &str = "--lab-process";

/// What a service does with connections.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accepts {
    /// Accepts and keeps them, reads nothing, closes nothing.
    Keeps,
    /// Accepts, reads until the client has finished, closes.
    Reads,
    /// Accepts, and writes until the connection takes no more; reads nothing.
    Talks,
    /// Accepts and closes them at once, before the client does.
    Closes,
    /// Accepts one at a time, with a pause in between, and closes it.
    EveryMs(u64),
    /// Never accepts.
    Nothing,
}

/// A service process to be.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    acts: Vec<String>,
}

/// A process of this name that does nothing yet.
pub(crate) fn process(name: &'static str) -> Process {
    Process { name, acts: Vec::new() }
}

impl Process {
    fn act(mut self, act: String) -> Process {
        self.acts.push(act);
        self
    }

    /// Listens at an address. `[::]:PORT` takes both families.
    pub(crate) fn listens(self, address: &str, backlog: i32, accepts: Accepts) -> Process {
        self.act(format!("listen {address} {backlog} {}", accepts.word()))
    }

    /// Listens at `[::]:PORT` for IPv6 alone.
    pub(crate) fn listens_v6_only(self, port: u16, accepts: Accepts) -> Process {
        self.act(format!("listen6 [::]:{port} 128 {}", accepts.word()))
    }

    /// Opens connections and keeps them, whatever the other side does.
    pub(crate) fn connects(self, address: &str, count: usize) -> Process {
        self.act(format!("connect {address} {count}"))
    }

    /// May have so many files open, from here on.
    pub(crate) fn may_open(self, limit: u64) -> Process {
        self.act(format!("limit {limit}"))
    }

    /// Opens files until only so many more could be opened.
    pub(crate) fn leaves_free(self, count: usize) -> Process {
        self.act(format!("fill {count}"))
    }

    /// Runs as this user, from here on; as root where there are no other users.
    pub(crate) fn by_user(self, uid: u32) -> Process {
        self.act(format!("user {uid}"))
    }

    /// Moves to a control group before all else.
    pub(crate) fn in_group(mut self, folder: &str) -> Process {
        self.acts.insert(0, format!("group {folder}"));
        self
    }

    /// Starts it on a host, and returns when all is done.
    pub(crate) fn start(&self, host: &Host) -> io::Result<Running> {
        let myself = std::env::current_exe()?;
        let mut child = host.enter(|| {
            Command::new(&myself)
                .arg0(self.name)
                .env_clear()
                .arg(ARGUMENT)
                .arg(self.name)
                .args(&self.acts)
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
        })?;
        let stdout = child.stdout.take().expect("piped");
        let running = Running(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line == "ready\n" {
            return Ok(running);
        }
        Err(io::Error::other(format!("{}: {}", self.name, line.trim())))
    }
}

impl Accepts {
    fn word(self) -> String {
        match self {
            Accepts::Keeps => "keep".to_owned(),
            Accepts::Reads => "read".to_owned(),
            Accepts::Talks => "talk".to_owned(),
            Accepts::Closes => "close".to_owned(),
            Accepts::EveryMs(pause) => pause.to_string(),
            Accepts::Nothing => "nothing".to_owned(),
        }
    }
}

/// A service process; it ends with this.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Is such a process: does what the arguments after [`ARGUMENT`] say.
pub(crate) fn be(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    let mut held = Held::default();
    let done = name_myself(&name).and_then(|()| arguments.try_for_each(|act| held.act(&act)));
    match done {
        Ok(()) => println!("ready"),
        Err(e) => println!("{e}"),
    }
    let _ = io::stdout().flush();
    let _ = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

/// What the process holds open.
#[derive(Default)]
struct Held {
    listeners: Vec<TcpListener>,
    connections: Vec<TcpStream>,
    files: Vec<File>,
}

impl Held {
    fn act(&mut self, act: &str) -> io::Result<()> {
        let words: Vec<&str> = act.split(' ').collect();
        let failed = |e: io::Error| io::Error::new(e.kind(), format!("{act}: {e}"));
        match words[..] {
            ["listen" | "listen6", address, backlog, accepts] => {
                let address: SocketAddr = parsed(address)?;
                let v6_only = words[0] == "listen6" || !address.ip().is_unspecified();
                let listener = listen(address, parsed(backlog)?, v6_only).map_err(failed)?;
                self.serve(listener, accepts)
            }
            ["connect", address, count] => {
                let address: SocketAddr = parsed(address)?;
                for _ in 0..parsed(count)? {
                    self.connections.push(TcpStream::connect(address).map_err(failed)?);
                }
                Ok(())
            }
            ["limit", limit] => limit_files(parsed(limit)?).map_err(failed),
            ["fill", free] => {
                while let Ok(file) = File::open("/dev/null") {
                    self.files.push(file);
                }
                let keep = self.files.len().saturating_sub(parsed(free)?);
                self.files.truncate(keep);
                Ok(())
            }
            ["user", uid] => become_user(parsed(uid)?).map_err(failed),
            ["group", folder] => {
                let list = format!("{folder}/cgroup.procs");
                fs::write(list, std::process::id().to_string()).map_err(failed)
            }
            _ => Err(io::Error::other(format!("what is {act}?"))),
        }
    }

    fn serve(&mut self, listener: TcpListener, accepts: &str) -> io::Result<()> {
        if accepts == "nothing" {
            self.listeners.push(listener);
            return Ok(());
        }
        let pause = match accepts {
            "keep" | "read" | "talk" | "close" => Duration::ZERO,
            pause => Duration::from_millis(parsed(pause)?),
        };
        if accepts == "read" {
            listener.set_nonblocking(true)?;
            std::thread::spawn(move || read_all(&listener));
            return Ok(());
        }
        let (keeps, talks) = (accepts == "keep", accepts == "talk");
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            loop {
                let Ok((mut stream, _)) = listener.accept() else { continue };
                if talks {
                    std::thread::spawn(move || while stream.write(&[b'x'; 65_536]).is_ok() {});
                    continue;
                }
                if keeps {
                    kept.push(stream);
                }
                std::thread::park_timeout(pause);
            }
        });
        Ok(())
    }
}

/// Reads from every client until it has finished.
fn read_all(listener: &TcpListener) {
    let mut clients: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let open = std::iter::once(listener.as_fd()).chain(clients.iter().map(AsFd::as_fd));
        let mut ready: Vec<_> = open.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        if poll(&mut ready, PollTimeout::NONE).is_err() {
            continue;
        }
        let ready: Vec<bool> = ready.iter().map(|fd| fd.any() == Some(true)).collect();
        let mut of_clients = ready.iter().skip(1);
        clients.retain_mut(|client| {
            let ready = of_clients.next().copied().unwrap_or(false);
            !ready || client.read(&mut buffer).is_ok_and(|size| size > 0)
        });
        // All who wait, else every one of a crowd would cost a look at all the others.
        while let Ok((client, _)) = listener.accept() {
            clients.push(client);
        }
    }
}

fn parsed<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    word.parse().map_err(|_| io::Error::other(format!("what is {word}?")))
}

fn listen(address: SocketAddr, backlog: i32, v6_only: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    socket.set_reuse_address(true)?;
    // So that two workers can share a port.
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Takes a name that `ps` and `/proc/PID/comm` show.
fn name_myself(name: &str) -> io::Result<()> {
    fs::write("/proc/self/comm", name)
}

fn limit_files(limit: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the limit outlives the call, which reads it.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn become_user(uid: u32) -> io::Result<()> {
    if !has_other_users() {
        return Ok(());
    }
    let (user, group) = (nix::unistd::Uid::from_raw(uid), nix::unistd::Gid::from_raw(uid));
    nix::unistd::setgroups(&[])?;
    nix::unistd::setresgid(group, group, group)?;
    nix::unistd::setresuid(user, user, user)?;
    // Else the kernel hides what the process has open from its own user, as after a set-user-id.
    // SAFETY: no pointers.
    match unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
