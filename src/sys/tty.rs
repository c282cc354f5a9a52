//! The terminal on stdin: its modes, and what is typed or pasted.

use std::io;
use std::os::fd::AsFd;

use nix::sys::termios::{
    FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcflush, tcgetattr, tcsetattr,
};

use crate::sys::procfs::Process;

/// Nobody pastes more.
const MOST_DRAINED: usize = 64 << 20;

/// The modes that the terminal had.
#[derive(Clone)]
pub struct Modes(Termios);

impl std::fmt::Debug for Modes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Modes")
    }
}

impl Modes {
    /// Reads the modes of the terminal on stdin; `None` when it is none.
    pub fn of_stdin() -> Option<Modes> {
        tcgetattr(io::stdin()).ok().map(Modes)
    }

    /// Gives the terminal these modes back.
    pub fn restore(&self) {
        // A terminal that has gone away has no modes.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }

    /// As [`Modes::restore`], and throws away what was typed and not yet read.
    pub fn restore_and_flush(&self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }

    /// Throws away what is typed or pasted, until nothing has come for 0.2 s: the rest of a long text
    /// would be taken for keys. The terminal is left in modes of its own.
    ///
    /// # Errors
    ///
    /// Returns what the terminal met.
    pub fn drain(&self) -> io::Result<()> {
        let mut modes = self.0.clone();
        modes.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        modes.control_chars[SpecialCharacterIndices::VMIN as usize] = 0;
        modes.control_chars[SpecialCharacterIndices::VTIME as usize] = 2;
        tcsetattr(io::stdin(), SetArg::TCSANOW, &modes)?;
        let mut left = MOST_DRAINED;
        while left > 0 {
            let count = read(4096)?.len();
            if count == 0 {
                break;
            }
            left = left.saturating_sub(count);
        }
        Ok(())
    }

    /// Hands over every character at once and shows none. With `signals` Ctrl-C keeps its meaning;
    /// without, it is a character like others.
    ///
    /// # Errors
    ///
    /// Returns what the terminal met.
    pub fn listen(&self, signals: bool) -> io::Result<()> {
        let mut modes = self.0.clone();
        modes.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        modes.local_flags.set(LocalFlags::ISIG, signals);
        modes.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        modes.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        Ok(tcsetattr(io::stdin(), SetArg::TCSANOW, &modes)?)
    }
}

/// Throws away what was typed and not yet read.
pub fn forget_typed() {
    // A terminal that has gone away holds nothing.
    let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
}

/// Whether `script(1)` records the session: the session's first process is its child.
pub fn is_recorded() -> bool {
    let leader = nix::unistd::getsid(None).ok().and_then(|pid| u32::try_from(pid.as_raw()).ok());
    let parent = leader.and_then(Process::read).and_then(|leader| leader.parent);
    parent.and_then(Process::read).is_some_and(|parent| parent.command == "script")
}

/// Reads what has been typed, past every buffer; empty at the end of input.
///
/// # Errors
///
/// Returns what reading met.
pub fn read(most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    loop {
        match nix::unistd::read(io::stdin().as_fd(), &mut bytes) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(bytes);
            }
            Err(nix::errno::Errno::EINTR) => {}
            // The other side of the terminal has gone.
            Err(nix::errno::Errno::EIO) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
}
