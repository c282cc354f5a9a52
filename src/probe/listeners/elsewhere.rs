//! Listeners in other network namespaces, with words for whom they belong to.

use super::ElsewhereListener;
use crate::probe::owner::{Book, Claim, place};
use crate::sys::namespaces::{self, Listening};

/// What the kernel says of the owner of such a socket.
pub(super) fn claim(far: &Listening) -> Claim {
    Claim { inode: far.inode, uid: far.uid, cgroup: None }
}

/// Names the process, or, where it is hidden, one of its namespace.
pub(super) fn named(far: &Listening, book: &mut Book) -> ElsewhereListener {
    let holder = book.pid(far.inode);
    let pid = holder.unwrap_or(far.pid);
    let process = book.process(pid).cloned();
    let (command, membership) = match process {
        Some(process) => (Some(process.command), process.membership),
        None => Default::default(),
    };
    let command = command.unwrap_or_else(|| "?".to_owned());
    ElsewhereListener {
        pid,
        owner_name: format!("{command} (pid {pid}{})", place(&membership)),
        command,
        certain: holder.is_some(),
        address: far.local.ip().to_string(),
        port: far.local.port(),
        loopback: far.local.ip().is_loopback(),
        queue: far.queue,
        backlog: far.backlog,
        namespace: namespaces::number(far.pid),
        container: membership.container,
        unit: membership.unit,
    }
}
