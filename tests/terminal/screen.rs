//! A terminal of 60 rows with the program in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// What is not on the screen by then does not come.
const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: u16 = 60;

/// Held while a terminal is made and a program started.
static STARTS: Mutex<()> = Mutex::new(());

/// How the terminal is.
pub(crate) struct Setting {
    pub(crate) columns: u16,
    pub(crate) term: &'static str,
    pub(crate) lang: &'static str,
    /// Whether stderr goes nowhere.
    pub(crate) silent: bool,
    /// Where stdout and stderr go instead.
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    /// Variables of the program besides.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Whether the terminal takes nothing until [`Screen::listen`], not even the first byte.
    pub(crate) deaf: bool,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting {
            columns: 80,
            term: "xterm-256color",
            lang: "C.UTF-8",
            silent: false,
            stdout: None,
            stderr: None,
            env: Vec::new(),
            deaf: false,
        }
    }
}

struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
    deaf: bool,
}

/// See the module.
pub(crate) struct Screen {
    master: File,
    child: Running,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    reader: Option<JoinHandle<()>>,
    before: LocalFlags,
    /// How often the window was resized.
    marks: usize,
    /// Held open, so that what the program wrote last can be read.
    slave: OwnedFd,
}

impl Screen {
    /// Starts the program at a new terminal.
    pub(crate) fn start(args: &[&str], setting: Setting) -> Screen {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdoctor"));
        command.args(args);
        Screen::of(&mut command, setting)
    }

    /// Starts a command at a new terminal; one of no columns has no size.
    pub(crate) fn of(command: &mut Command, mut setting: Setting) -> Screen {
        let size = window(setting.columns);
        // Else a program that another test starts meanwhile would hold this terminal open.
        let _alone = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
        let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("its flags");
        }
        let before = tcgetattr(&pty.master).expect("its modes").local_flags;
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        for variable in
            ["LC_ALL", "LC_CTYPE", "NO_COLOR", "CI", "SSH_CONNECTION", "XDG_CONFIG_HOME"]
        {
            command.env_remove(variable);
        }
        let (stdout, stderr) = (setting.stdout.take(), setting.stderr.take());
        command
            .env("TERM", setting.term)
            .env("LANG", setting.lang)
            .env("HOME", "/nonexistent")
            .envs(setting.env.drain(..))
            .stdin(end())
            .stdout(stdout.map_or_else(end, Stdio::from))
            .stderr(if setting.silent {
                Stdio::null()
            } else {
                stderr.map_or_else(end, Stdio::from)
            });
        if setting.deaf {
            fill(&pty.slave);
        }
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = Running(command.spawn().expect("the binary runs"));
        let parser = vt100::Parser::new(size_of(ROWS), size_of(setting.columns.max(1)), 0);
        let seen = Seen { parser, raw: Vec::new(), ended: false, deaf: setting.deaf };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let master = File::from(pty.master);
        let mut from = master.try_clone().expect("a descriptor");
        let into = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            // Byte by byte, so that no test takes half a screen for a whole one unseen.
            let mut bytes = [0; 1];
            loop {
                let seen = into.0.lock().expect("no panic");
                drop(into.1.wait_while(seen, |seen| seen.deaf).expect("no panic"));
                let count = from.read(&mut bytes).unwrap_or(0);
                let mut seen = into.0.lock().expect("no panic");
                seen.parser.process(&bytes[..count]);
                seen.raw.extend(&bytes[..count]);
                // The last byte is ours: see `end`.
                seen.ended = count == 0 || bytes[..count].contains(&LAST);
                into.1.notify_all();
                if seen.ended {
                    return;
                }
            }
        });
        Screen { master, child, seen, reader: Some(reader), before, marks: 0, slave: pty.slave }
    }

    /// Waits until the screen shows something; returns the screen.
    pub(crate) fn wait(&self, what: &str, shows: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().expect("no panic");
        loop {
            let text = seen.parser.screen().contents();
            if shows(&text) {
                return text;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !seen.ended, "{what} does not come:\n{text}");
            seen = self.seen.1.wait_timeout(seen, left).expect("no panic").0;
        }
    }

    /// Makes the window wider or narrower.
    ///
    /// The program stands still meanwhile: a frame on its way to a window that is narrower by now would be
    /// broken here, which it forbids (DECAWM) and this terminal knows nothing of.
    pub(crate) fn resize(&mut self, columns: u16) {
        self.signal(Signal::SIGSTOP);
        let pid = Pid::from_raw(i32::try_from(self.child.0.id()).expect("a process id"));
        waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("our child");
        nix::unistd::write(self.slave.as_fd(), &[MARK]).expect("the terminal is open");
        self.marks += 1;
        self.until("what was written", || {
            let seen = self.seen.0.lock().expect("no panic");
            seen.raw.iter().filter(|byte| **byte == MARK).count() == self.marks
        });
        let mut seen = self.seen.0.lock().expect("no panic");
        seen.parser.screen_mut().set_size(size_of(ROWS), size_of(columns));
        drop(seen);
        let size = window(columns);
        // SAFETY: the size outlives the call, which reads it.
        let done =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0, "a terminal has a size");
        self.signal(Signal::SIGCONT);
    }

    /// Reads on.
    pub(crate) fn listen(&mut self) {
        self.seen.0.lock().expect("no panic").deaf = false;
        self.seen.1.notify_all();
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.0.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Goes away, as a terminal does whose window is closed; returns the exit status.
    pub(crate) fn hang_up(self) -> i32 {
        let Screen { master, mut child, reader, slave, .. } = self;
        nix::unistd::write(slave.as_fd(), &[LAST]).expect("the terminal is open");
        reader.map(JoinHandle::join).expect("a reader").expect("no panic");
        drop((master, slave));
        let (end, mut status) = (Instant::now() + PATIENCE, None);
        while status.is_none() && Instant::now() < end {
            status = child.0.try_wait().expect("our child");
            std::thread::yield_now();
        }
        status.expect("it ends").code().expect("an exit status")
    }

    /// Waits until the program has written something, whether a terminal can show it or not.
    pub(crate) fn wait_raw(&self, what: &str, holds: impl Fn(&str) -> bool) {
        self.until(what, || {
            let seen = self.seen.0.lock().expect("no panic");
            holds(&String::from_utf8_lossy(&seen.raw))
        });
    }

    /// Waits until something has come about.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "{what} does not come");
            std::thread::yield_now();
        }
    }

    /// Returns the rows of the screen, without the blanks behind them.
    pub(crate) fn rows(&self) -> Vec<String> {
        let seen = self.seen.0.lock().expect("no panic");
        let screen = seen.parser.screen();
        screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect()
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits for the end; returns the exit status and the last screen. The terminal must be as it was.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.0.try_wait().expect("our child") {
                break status;
            }
            if Instant::now() > end {
                panic!(
                    "it does not end:\n{}",
                    self.seen.0.lock().expect("no panic").parser.screen().contents()
                );
            }
            std::thread::yield_now();
        };
        // What the program wrote stands before this in the terminal.
        nix::unistd::write(self.slave.as_fd(), &[LAST]).expect("the terminal is open");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no panic");
        }
        let seen = self.seen.0.lock().expect("no panic");
        let screen = seen.parser.screen();
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "pasted text is still marked");
        let now = tcgetattr(&self.master).expect("its modes").local_flags;
        assert_eq!(now, self.before, "the terminal's modes");
        (status.code().expect("an exit status"), screen.contents())
    }

    /// Returns every byte that was written.
    pub(crate) fn raw(&self) -> Vec<u8> {
        let seen = self.seen.0.lock().expect("no panic");
        seen.raw.iter().copied().filter(|byte| ![LAST, MARK].contains(byte)).collect()
    }
}

/// The program; a test that fails leaves none behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A byte that the program never writes.
const LAST: u8 = 0x1c;
/// Another one, which shows nothing.
const MARK: u8 = 0x1d;

fn window(columns: u16) -> Winsize {
    let ws_row = if columns == 0 { 0 } else { ROWS };
    Winsize { ws_row, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Writes what shows nothing until the terminal takes no more.
fn fill(slave: &OwnedFd) {
    let flags = OFlag::from_bits_truncate(fcntl(slave, FcntlArg::F_GETFL).expect("its flags"));
    fcntl(slave, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).expect("its flags");
    // The kernel hands what was written on to the other side a little later, which makes room again.
    let settled = PollTimeout::from(100u8);
    while poll(&mut [PollFd::new(slave.as_fd(), PollFlags::POLLOUT)], settled).expect("a terminal")
        > 0
    {
        while nix::unistd::write(slave, b"\r").is_ok() {}
    }
    fcntl(slave, FcntlArg::F_SETFL(flags)).expect("its flags");
}

fn size_of(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).expect("a size")
}
