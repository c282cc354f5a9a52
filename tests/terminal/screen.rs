//! A terminal of 50 rows with the program in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

/// What is not on the screen by then does not come.
const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: u16 = 60;

/// How the terminal is.
pub(crate) struct Setting {
    pub(crate) columns: u16,
    pub(crate) term: &'static str,
    pub(crate) lang: &'static str,
    /// Whether stderr goes nowhere.
    pub(crate) silent: bool,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting { columns: 80, term: "xterm-256color", lang: "C.UTF-8", silent: false }
    }
}

struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

/// See the module.
pub(crate) struct Screen {
    master: File,
    child: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    reader: Option<JoinHandle<()>>,
    before: LocalFlags,
    /// Held open, so that what the program wrote last can be read.
    _slave: OwnedFd,
}

impl Screen {
    /// Starts the program at a new terminal.
    pub(crate) fn start(args: &[&str], setting: Setting) -> Screen {
        let size = Winsize { ws_row: ROWS, ws_col: setting.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a pseudo-terminal");
        let before = tcgetattr(&pty.master).expect("its modes").local_flags;
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcpdoctor"));
        command
            .args(args)
            .env("TERM", setting.term)
            .env("LANG", setting.lang)
            .env_remove("LC_ALL")
            .env_remove("LC_CTYPE")
            .env("HOME", "/nonexistent")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("NO_COLOR")
            .env_remove("CI")
            .stdin(end())
            .stdout(end())
            .stderr(if setting.silent { Stdio::null() } else { end() });
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
        let child = command.spawn().expect("the binary runs");
        let parser = vt100::Parser::new(size_of(ROWS), size_of(setting.columns), 0);
        let seen = Seen { parser, raw: Vec::new(), ended: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let master = File::from(pty.master);
        let mut from = master.try_clone().expect("a descriptor");
        let into = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            // Byte by byte, so that no test takes half a screen for a whole one unseen.
            let mut bytes = [0; 1];
            loop {
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
        Screen { master, child, seen, reader: Some(reader), before, _slave: pty.slave }
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

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits for the end; returns the exit status and the last screen. The terminal must be as it was.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                panic!(
                    "it does not end:\n{}",
                    self.seen.0.lock().expect("no panic").parser.screen().contents()
                );
            }
            std::thread::yield_now();
        };
        // What the program wrote stands before this in the terminal.
        nix::unistd::write(self._slave.as_fd(), &[LAST]).expect("the terminal is open");
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
        seen.raw.iter().copied().filter(|byte| *byte != LAST).collect()
    }
}

/// A byte that the program never writes.
const LAST: u8 = 0x1c;

fn size_of(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).expect("a size")
}
