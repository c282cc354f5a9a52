//! What benches of this machine need: a network namespace of their own, which ends with them.

use std::fs;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Enters a new network namespace, as root or in a user namespace; loopback is up.
pub(crate) fn enter_namespace() {
    let uid = nix::unistd::geteuid();
    if !uid.is_root() {
        unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace");
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")).unwrap();
    }
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip");
    assert!(up.success());
}

/// Whether a program is installed.
pub(crate) fn present(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).exists())
}
