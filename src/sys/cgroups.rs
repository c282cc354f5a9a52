//! From the id of a cgroup (which sock_diag tells of every socket, to everybody) to its path and its
//! processes.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{read_dir, read_to_string};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// Folders visited at most.
const MOST: usize = 20_000;

/// Finds the folders of cgroups below the mount point of cgroup v2, with their paths inside it.
///
/// The id of a cgroup is the inode number of its folder (`kernfs`, Linux 5.5). Ids that are not
/// found are left out: the cgroup is gone, or lies outside of what we see.
pub fn paths(ids: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let Some(root) = mount_point() else { return found };
    let mut waiting = VecDeque::from([root.clone()]);
    let mut visited = 0;
    while let Some(folder) = waiting.pop_front() {
        visited += 1;
        let Ok(entries) = read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            if ids.contains(&entry.ino())
                && let Ok(inside) = path.strip_prefix(&root)
            {
                found.insert(entry.ino(), format!("/{}", inside.display()));
            }
            waiting.push_back(path);
        }
        if found.len() == ids.len() || visited >= MOST {
            break;
        }
    }
    found
}

/// The processes in a cgroup; `None` when it cannot be read.
pub fn processes(path: &str) -> Option<Vec<u32>> {
    let folder = mount_point()?.join(path.trim_start_matches('/'));
    let text = read_to_string(folder.join("cgroup.procs")).ok()?;
    // 0 stands for a process of a PID namespace that we do not see.
    Some(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Where cgroup v2 is mounted.
fn mount_point() -> Option<PathBuf> {
    mount_in(&read_to_string("/proc/self/mountinfo").ok()?)
}

/// Finds the mount point in the text of `mountinfo` (`proc_pid_mountinfo(5)`).
fn mount_in(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        kind.starts_with("cgroup2 ").then(|| Path::new(&point.replace("\\040", " ")).to_path_buf())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_version_2_is_found() {
        let text = "25 30 0:23 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                    31 25 0:27 / /sys/fs/cgroup/unified rw shared:7 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_in(text), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount_in("x\n - cgroup2 y"), None);
    }

    #[test]
    fn an_id_that_does_not_exist_is_left_out() {
        assert!(paths(&BTreeSet::from([u64::MAX])).is_empty());
        assert_eq!(processes("/no/such/cgroup"), None);
    }
}
