//! The small files of a process below `/proc/PID` (`proc(5)`), and `/etc/passwd`.

/// Characters of a command line that are kept.
const LONGEST: usize = 200;
/// Words in an option's name whose value is nobody's business.
const SECRET: &[&str] = &["pass", "secret", "token", "key", "auth", "credential"];

/// What `/proc/PID/stat` and `status` tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The name, 15 bytes at most.
    pub name: Option<String>,
    /// The parent.
    pub parent: Option<u32>,
    /// The effective user.
    pub uid: Option<u32>,
    /// The process id in the namespaces of its own, innermost last.
    pub pid_inside: Option<u32>,
    /// Whether a signal (SIGSTOP) or a debugger has stopped it.
    pub stopped: Option<bool>,
}

impl Status {
    /// Reads the text of `/proc/PID/status`.
    pub fn parse(text: &str) -> Status {
        let mut status = Status::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match key {
                "Name" => status.name = Some(unescape(value)),
                "State" => status.stopped = value.chars().next().map(|c| matches!(c, 'T' | 't')),
                "PPid" => status.parent = value.parse().ok(),
                "Uid" => {
                    status.uid =
                        value.split_ascii_whitespace().nth(1).and_then(|uid| uid.parse().ok());
                }
                "NSpid" => {
                    status.pid_inside =
                        value.split_ascii_whitespace().last().and_then(|pid| pid.parse().ok());
                }
                _ => {}
            }
        }
        status
    }
}

/// The kernel writes `\n` and `\\` in a name as these two characters.
fn unescape(name: &str) -> String {
    name.replace("\\n", "\n").replace("\\\\", "\\")
}

/// Reads one limit of `/proc/PID/limits`, for example `Max open files`: the soft one. `None` is
/// missing; an unlimited one is `u64::MAX`.
pub fn soft_limit(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Joins the words of `/proc/PID/cmdline`, cut to 200 characters, with the values of options that
/// look like secrets left out. `None` for a kernel thread, which has none.
pub fn command_line(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let text = String::from_utf8_lossy(&bytes[..=end]);
    let mut line = String::new();
    let mut hide_next = false;
    for word in text.split('\0') {
        if !line.is_empty() {
            line.push(' ');
        }
        let (shown, hides_next) = conceal(word, hide_next);
        line.push_str(&shown);
        hide_next = hides_next;
        if line.len() > LONGEST * 4 {
            break;
        }
    }
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    Some(line)
}

/// Returns the word as it may be shown, and whether the next one is a secret.
fn conceal(word: &str, secret: bool) -> (String, bool) {
    if secret && !word.starts_with('-') {
        return ("***".to_owned(), false);
    }
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let lower = name.to_ascii_lowercase();
    let named = SECRET.iter().any(|secret| lower.contains(secret));
    match value {
        Some(_) if named => (format!("{name}=***"), false),
        None if named && name.starts_with('-') => (word.to_owned(), true),
        _ => (without_password(word), false),
    }
}

/// Leaves the password of `scheme://user:password@host` out.
fn without_password(word: &str) -> String {
    let hidden = word.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let (credentials, _) = authority.rsplit_once('@')?;
        let (user, _) = credentials.split_once(':')?;
        Some(format!("{scheme}://{user}:***{}", rest.get(credentials.len()..)?))
    });
    hidden.unwrap_or_else(|| word.to_owned())
}

/// Finds a user's name in `/etc/passwd`.
pub fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        (number.parse() == Ok(uid) && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_status_tells_name_parent_user_and_pid_inside() {
        let text = "Name:\tnginx\nPPid:\t7\nUid:\t0\t33\t0\t0\nNSpid:\t4711\t1\n";
        let status = Status::parse(text);
        assert_eq!(status.name.as_deref(), Some("nginx"));
        assert_eq!((status.parent, status.uid, status.pid_inside), (Some(7), Some(33), Some(1)));
        assert_eq!(Status::parse("Uid:\t0\n").uid, None);
        assert_eq!(status.stopped, None);
        for (state, stopped) in
            [("S (sleeping)", false), ("T (stopped)", true), ("t (tracing stop)", true)]
        {
            let status = Status::parse(&format!("State:\t{state}\n"));
            assert_eq!(status.stopped, Some(stopped), "{state}");
        }
    }

    #[test]
    fn a_limit_is_the_soft_one() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\nMax processes             unlimited            unlimited            processes\n";
        assert_eq!(soft_limit(text, "Max open files"), Some(1024));
        assert_eq!(soft_limit(text, "Max processes"), Some(u64::MAX));
        assert_eq!(soft_limit(text, "Max nothing"), None);
    }

    #[test]
    fn a_command_line_is_joined_and_a_kernel_thread_has_none() {
        assert_eq!(command_line(b"nginx\0-g\0daemon off;\0").unwrap(), "nginx -g daemon off;");
        assert_eq!(command_line(b""), None);
        assert_eq!(command_line(b"\0\0"), None);
    }

    #[test]
    fn secrets_are_left_out() {
        let line =
            command_line(b"db\0--password=hunter2\0--api-token\0abc\0--port\x005432\0").unwrap();
        assert_eq!(line, "db --password=*** --api-token *** --port 5432");
        let line = command_line(b"app\0postgres://me:hunter2@db:5432/x\0").unwrap();
        assert_eq!(line, "app postgres://me:***@db:5432/x");
    }

    #[test]
    fn a_long_command_line_is_cut() {
        let line = command_line("ä".repeat(5000).as_bytes()).unwrap();
        assert_eq!(line.chars().count(), LONGEST);
        assert!(line.ends_with('…'));
    }

    #[test]
    fn a_user_is_found_by_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n";
        assert_eq!(user_name(passwd, 33), Some("www-data"));
        assert_eq!(user_name(passwd, 34), None);
    }

    proptest! {
        #[test]
        fn any_text_parses(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (Status::parse(&text), soft_limit(&text, "Max"), user_name(&text, 0));
            let line = command_line(&bytes);
            prop_assert!(line.is_none_or(|line| line.chars().count() <= LONGEST));
        }
    }
}
