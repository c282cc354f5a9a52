//! Files that the command line names: read whole and bounded, written whole or not at all.
#![allow(clippy::disallowed_methods)] // the user names these files; the network room stays out of it

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

use crate::sys::caps;

/// Reads a file up to `most` bytes.
///
/// # Errors
///
/// Returns what reading met; `FileTooLarge` past the bound.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bounded(File::open(path)?, most)
}

/// Says for people why a file could not be read.
pub(super) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        io::ErrorKind::FileTooLarge => "it is too large".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether two paths lead to the same file.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Finds the files below a folder whose names end so, sorted; hidden folders and links to folders are
/// left out, and a folder that is not there has none.
///
/// # Errors
///
/// Returns what reading a folder met.
pub(super) fn below(folder: &Path, suffix: &str) -> io::Result<Vec<PathBuf>> {
    /// Deeper folders are not searched.
    const DEEPEST: usize = 8;
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if depth < DEEPEST && !name.starts_with('.') {
                    open.push((entry.path(), depth + 1));
                }
            } else if name.ends_with(suffix) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file up to `most` bytes; also says why it may not run programs: a file that belongs to
/// another user, or that others may write, does not speak for this one.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_judged(path: &Path, most: u64) -> io::Result<(Vec<u8>, Option<String>)> {
    // A pipe that nobody writes to would hold us up for ever; `<(…)` and /dev/stdin are meant.
    let meant = path.starts_with("/dev") || path.starts_with("/proc");
    let flags = if meant { 0 } else { libc::O_NONBLOCK };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Asked of the open file, so that what is judged is what is read.
    let about = file.metadata()?;
    if !meant && !about.is_file() && !about.is_dir() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((bounded(file, most)?, objection_to(about.uid(), about.mode(), caps::effective_uid())))
}

fn objection_to(owner: u32, mode: u32, us: u32) -> Option<String> {
    if owner != us && owner != 0 {
        return Some(format!("it belongs to uid {owner}, neither to you (uid {us}) nor to root"));
    }
    match (mode & 0o020 != 0, mode & 0o002 != 0) {
        (_, true) => Some(format!("everybody may write it (mode {:04o})", mode & 0o7777)),
        (true, _) => Some(format!("its group may write it (mode {:04o})", mode & 0o7777)),
        _ => None,
    }
}

/// Returns where a file is when every symbolic link is followed.
pub(super) fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Reads stdin up to `most` bytes.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_stdin(most: u64) -> io::Result<Vec<u8>> {
    bounded(io::stdin(), most)
}

fn bounded(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Says why a file cannot be written later; `None` when nothing speaks against it. Writes nothing.
pub(super) fn objection(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some("it is a directory".to_owned());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Some(format!("there is no directory {}", folder.display()));
    }
    None
}

/// Writes a file whole or not at all: under no name until it is on disk, so that a reader sees the old
/// content or the new, whatever ends us meanwhile. What is no regular file (a pipe, `/dev/stderr`) is written directly.
///
/// # Errors
///
/// Returns what writing met; the temporary file is removed.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, None)
}

/// Writes a file as [`write_whole`] does, readable and writable by its owner alone.
///
/// # Errors
///
/// As [`write_whole`].
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, Some(0o600))
}

fn replace(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    // Through a symbolic link, the file behind it is replaced and the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let fill = |mut file: &File| -> io::Result<()> {
        match (mode, &old) {
            (Some(mode), _) => file.set_permissions(Permissions::from_mode(mode))?,
            (None, Some(old)) => file.set_permissions(old.permissions())?,
            (None, None) => {}
        }
        file.write_all(bytes)?;
        file.sync_all()
    };
    let new = mode.unwrap_or(0o666);
    // Without a name until it is whole: whatever ends us before that leaves nothing behind.
    let written = match OpenOptions::new()
        .read(true)
        .write(true)
        .mode(new)
        .custom_flags(libc::O_TMPFILE)
        .open(&folder)
    {
        Ok(file) => fill(&file).and_then(|()| publish(&file, &temporary, path)),
        Err(error) if unnamed_refused(&error) => {
            let mut options = OpenOptions::new();
            let file = options.write(true).create_new(true).mode(new).open(&temporary)?;
            fill(&file).and_then(|()| fs::rename(&temporary, path))
        }
        Err(error) => return Err(error),
    };
    match written {
        // The name is on disk when its folder is; what cannot be synced is written all the same.
        Ok(()) => drop(File::open(&folder).and_then(|folder| folder.sync_all())),
        Err(_) => drop(fs::remove_file(&temporary)),
    }
    written
}

/// Whether a file system has no files without a name (open(2): EOPNOTSUPP; EISDIR before Linux 3.11).
fn unnamed_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL))
}

/// Gives a file without a name its name; where that is taken, by way of a temporary one.
fn publish(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |to: &Path| {
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        linkat(AT_FDCWD, own.as_str(), AT_FDCWD, to, follow).map_err(io::Error::from)
    };
    match link(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            link(temporary)?;
            fs::rename(temporary, path)
        }
        // Without /proc the file has no path to be linked by.
        Err(error) if error.kind() == io::ErrorKind::NotFound => copied(file, temporary, path),
        linked => linked,
    }
}

/// Copies a file under a temporary name, and renames it.
fn copied(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    let mut copy = OpenOptions::new().write(true).create_new(true).open(temporary)?;
    copy.set_permissions(file.metadata()?.permissions())?;
    let mut at = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read_at(&mut buffer, at)?;
        if length == 0 {
            break;
        }
        copy.write_all(&buffer[..length])?;
        at += length as u64;
    }
    copy.sync_all()?;
    fs::rename(temporary, path)
}

/// Writes a file that is not there yet.
///
/// # Errors
///
/// Returns what writing met; `AlreadyExists` when the file is there.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Says whether this user may not look into a folder that is, or may be, there.
pub(super) fn is_closed(folder: &Path) -> bool {
    let listed = fs::read_dir(folder);
    listed.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Lists the names of the files in a folder, sorted; a folder that is not there has none.
///
/// # Errors
///
/// Returns what reading the folder met.
pub(super) fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not UTF-8 cannot be typed as a runbook's name.
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let folder = std::env::temp_dir().join(format!("tcpdoctor-files-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("out");
        for content in ["first", "second, longer", ""] {
            write_whole(&path, content.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("there"), content);
            assert_eq!(names_in(&folder).expect("a folder"), ["out"]);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("own file");
        write_whole(&path, b"third").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o640, "the mode of the old one");
        write_private(&path, b"fourth").expect("written");
        assert_eq!(mode(&path), 0o600);
        let link = folder.join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        write_whole(&link, b"fifth").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&path).expect("there"), b"fifth");
        fs::remove_file(&link).expect("own file");
        let mut unnamed = OpenOptions::new();
        unnamed.read(true).write(true).custom_flags(libc::O_TMPFILE);
        if let Ok(file) = unnamed.open(&folder) {
            (&file).write_all(b"sixth").expect("written");
            copied(&file, &folder.join(".tmp"), &path).expect("copied");
            assert_eq!(fs::read(&path).expect("there"), b"sixth");
        }
        assert_eq!(names_in(&folder).expect("a folder"), ["out"]);
        fs::remove_dir_all(&folder).expect("own folder");
    }

    #[test]
    fn only_a_file_that_nobody_else_may_write_speaks_for_its_reader() {
        let cases = [
            (1000, 0o100_644, 1000, true),
            (0, 0o100_755, 1000, true),
            (1001, 0o100_644, 1000, false),
            (1000, 0o100_664, 1000, false),
            (1000, 0o100_646, 1000, false),
            (0, 0o100_666, 1000, false),
            (1000, 0o100_644, 0, false),
        ];
        for (owner, mode, us, fine) in cases {
            assert_eq!(objection_to(owner, mode, us).is_none(), fine, "{owner} {mode:o} {us}");
        }
    }
}
