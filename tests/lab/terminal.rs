//! The product at a terminal, in a network.

use std::io;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::net::Host;
use crate::run::{Invocation, SYSTEM, private_files, product};
use crate::screen::{Screen, Setting};

/// Starts the product on a host at a terminal, as root, in the surroundings of an invocation.
pub(crate) fn at_a_terminal(
    host: &Host,
    invocation: &Invocation<'_>,
    columns: u16,
) -> io::Result<Screen> {
    let mut command = Command::new(product());
    command.env_clear().env("PATH", SYSTEM).args(invocation.arguments).current_dir("/");
    host.enter(|| {
        private_files(invocation.etc, invocation.limits.no_proc)?;
        // The name stands on the screen.
        unshare(CloneFlags::CLONE_NEWUTS)?;
        nix::unistd::sethostname("web1")?;
        Ok(Screen::of(&mut command, Setting { columns, ..Setting::default() }))
    })
}

/// Returns what a replay of a report shows in a window of this width.
pub(crate) fn replayed_in(report: &Path, columns: u16) -> io::Result<String> {
    let mut command = Command::new(product());
    command.env_clear().env("PATH", SYSTEM).arg("replay").arg(report);
    let mut screen =
        Screen::of(&mut command, Setting { columns, silent: true, ..Setting::default() });
    let (_, shown) = screen.end();
    Ok(shown.lines().map(|line| line.trim_end().to_owned() + "\n").collect())
}
