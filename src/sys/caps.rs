//! Who runs this program, where: user, capabilities, host name, kernel.
#![allow(unsafe_code, clippy::disallowed_methods)]

use std::fs::read_to_string;

/// Capability names by bit (`include/uapi/linux/capability.h`, up to Linux 5.9).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Returns the effective user id.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid(2) takes no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Returns the effective group id.
pub fn effective_gid() -> u32 {
    // SAFETY: getegid(2) takes no arguments and cannot fail.
    unsafe { libc::getegid() }
}

/// Returns the names of the effective capabilities of this thread; `None` when /proc does not tell.
pub fn effective_capabilities() -> Option<Vec<String>> {
    capabilities_of(&read_to_string("/proc/thread-self/status").ok()?)
}

/// Says whether a capability is effective; `None` when /proc does not tell.
pub fn has(capability: &str) -> Option<bool> {
    Some(effective_capabilities()?.iter().any(|name| name == capability))
}

/// Returns this machine's host name; `None` when /proc does not tell.
pub fn hostname() -> Option<String> {
    first_line("/proc/sys/kernel/hostname")
}

/// Returns the kernel release, for example `6.1.0-28-amd64`; `None` when /proc does not tell.
pub fn kernel_release() -> Option<String> {
    first_line("/proc/sys/kernel/osrelease")
}

fn first_line(path: &str) -> Option<String> {
    let text = read_to_string(path).ok()?;
    text.lines().next().map(str::to_owned)
}

/// Reads the effective capabilities from the text of a `status` file (`proc(5)`).
fn capabilities_of(status: &str) -> Option<Vec<String>> {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let set = u64::from_str_radix(hex.trim(), 16).ok()?;
    let bits = (0..u64::BITS).filter(|bit| set >> bit & 1 == 1);
    Some(bits.map(name_of).collect())
}

fn name_of(bit: u32) -> String {
    let known = usize::try_from(bit).ok().and_then(|bit| NAMES.get(bit));
    known.map_or_else(|| format!("CAP_{bit}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_the_effective_set_are_named() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t0000000000003000\n";
        assert_eq!(capabilities_of(status).unwrap(), ["CAP_NET_ADMIN", "CAP_NET_RAW"]);
    }

    #[test]
    fn a_bit_without_a_name_keeps_its_number() {
        assert_eq!(capabilities_of("CapEff:\t8000000000000000\n").unwrap(), ["CAP_63"]);
    }

    #[test]
    fn no_line_or_nonsense_is_unknown_rather_than_empty() {
        assert_eq!(capabilities_of("Name:\tx\n"), None);
        assert_eq!(capabilities_of("CapEff:\tzz\n"), None);
        assert_eq!(capabilities_of("CapEff:\t0\n"), Some(Vec::new()));
    }

    #[test]
    fn this_machine_has_a_name_and_a_kernel() {
        assert!(hostname().is_some_and(|name| !name.is_empty()));
        assert!(kernel_release().is_some_and(|release| release.contains('.')));
        assert!(effective_capabilities().is_some());
    }
}
