//! A client at a terminal that asks the other end: the command that it shows is run on the server, word
//! for word, and what that prints is pasted.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use serde_json::Value;

use crate::lab::Lab;
use crate::run::{self, Invocation, Ran};

/// What is not said by then is never said.
const PATIENCE: Duration = Duration::from_secs(90);
/// So often the server is asked at most: once more when an address translation came to light.
const MOST_ASKED: usize = 2;

/// Runs the product on the client at a terminal, and on the server in the same mode; the report is what
/// the client wrote last.
pub(crate) fn hold(lab: &Lab, invocation: &Invocation<'_>, folder: &Path) -> io::Result<Ran> {
    let file = folder.join("client.json");
    let quiet = ["--format", "json", "--no-input"];
    let spoken = invocation.arguments.iter().filter(|word| !quiet.contains(&word.as_str()));
    let mut command = Command::new(run::product());
    command.env_clear();
    command.args(spoken).args(["--plain", "--output", &format!("json={}", file.display())]);
    let (started, start) = (std::time::SystemTime::now(), Instant::now());
    let (mut child, terminal) =
        run::in_surroundings(lab.host("c"), command, invocation, |command| {
            let size = Winsize { ws_row: 60, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
            let pty = openpty(Some(&size), None)?;
            let end = || Ok::<_, io::Error>(Stdio::from(pty.slave.try_clone()?));
            // Only the product has the terminal open, so that its end is that of the terminal.
            let child = run::surround(command).stdin(end()?).stdout(end()?).stderr(end()?).spawn();
            Ok((child?, File::from(pty.master)))
        })?;
    let talked = Talk { terminal, shown: String::new(), read: 0 }.go_on(lab, invocation);
    if talked.is_err() {
        child.kill()?;
    }
    let (code, shown) = (child.wait()?.code(), talked?);
    let stdout = fs::read_to_string(&file).unwrap_or_default();
    // What counts is how long was worked, not how long the server was asked.
    let report: Value = serde_json::from_str(&stdout).unwrap_or_default();
    let worked = report["duration_ms"].as_f64().map(|ms| Duration::from_secs_f64(ms / 1e3));
    let wall = worked.unwrap_or_else(|| start.elapsed());
    Ok(Ran { code, started, wall, stdout, stderr: shown })
}

struct Talk {
    terminal: File,
    shown: String,
    /// How much of it has been answered.
    read: usize,
}

impl Talk {
    fn go_on(mut self, lab: &Lab, invocation: &Invocation<'_>) -> io::Result<String> {
        let end = Instant::now() + PATIENCE;
        let mut asked = 0;
        while self.hear(end)? {
            let new = &self.shown[self.read..];
            let answer = if new.ends_with("goes back).\r\n") {
                asked += 1;
                match command(new) {
                    Some(line) if asked <= MOST_ASKED => {
                        let words: Vec<String> =
                            line.split(' ').skip(1).map(str::to_owned).collect();
                        let there = Invocation { arguments: &words, ..*invocation };
                        run::on(lab.host("s"), &there)?.stdout
                    }
                    _ => "\n".to_owned(),
                }
            } else if new.contains("Number, or Enter for") && new.ends_with(": ") {
                let other_end = new.lines().find(|line| line.contains("Look from the server"));
                let number = other_end.and_then(|line| line.split_whitespace().next());
                match number.filter(|_| asked == 0) {
                    Some(number) => format!("{number}\n"),
                    // To stop, or not to know.
                    None => "\n".to_owned(),
                }
            } else {
                continue;
            };
            self.read = self.shown.len();
            self.terminal.write_all(answer.as_bytes())?;
        }
        Ok(self.shown)
    }

    /// Reads some more; false when the terminal has been left.
    fn hear(&mut self, end: Instant) -> io::Result<bool> {
        let left = end.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        if poll(&mut ready, left)? == 0 {
            return Err(io::Error::other(format!("nothing more is said:\n{}", self.shown)));
        }
        let mut bytes = [0; 4096];
        match self.terminal.read(&mut bytes) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
                Ok(true)
            }
            // The last one who had it open has closed it.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The command to run on the server, as it is shown.
fn command(shown: &str) -> Option<&str> {
    let lines = shown.lines().map(str::trim).rev();
    lines.into_iter().find(|line| line.starts_with("tcpdoctor diagnose :"))
}
