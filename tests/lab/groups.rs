//! Control groups, so that a service looks like a unit of systemd or a container.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where version 2 of control groups is mounted.
fn root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let path = place.split(' ').nth(4)?;
        kind.starts_with("cgroup2 ").then(|| PathBuf::from(path))
    })
}

/// Whether groups can be made here.
pub(crate) fn are_possible() -> bool {
    Group::new("trial.service").is_ok()
}

/// A control group in a slice of its own; both are removed with it, when nobody is left in them.
pub(crate) struct Group(PathBuf);

impl Group {
    pub(crate) fn new(name: &str) -> io::Result<Group> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = root().ok_or_else(|| io::Error::other("no control groups of version 2"))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let slice = format!("lab-{}-{number}.slice", std::process::id());
        let path = root.join(slice).join(name);
        fs::create_dir_all(&path)?;
        Ok(Group(path))
    }

    pub(crate) fn folder(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in self.0.ancestors().take(2) {
            let _ = fs::remove_dir(folder);
        }
    }
}
