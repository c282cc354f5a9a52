//! What a cgroup's path says of a process: its systemd unit, its container, its pod.

/// What a cgroup belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// The systemd unit, for example `nginx.service` or `session-3.scope`.
    pub unit: Option<String>,
    /// The container: runtime and the first 12 digits of its id, for example `docker 4c01db0b339c`.
    pub container: Option<String>,
}

/// Digits of a container's id that are told, as the runtimes' own commands do.
const SHORT: usize = 12;
/// Scopes and folders in which a runtime puts a container, and the runtime's name.
const PREFIXES: &[(&str, &str)] = &[
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("containerd-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
    ("nerdctl-", "containerd"),
    ("lxc.payload.", "lxc"),
    ("lxc.monitor.", "lxc"),
];

impl Membership {
    /// Reads the text of `/proc/PID/cgroup`: the line of cgroup v2 (`0::/path`), or else that of
    /// systemd's own hierarchy (`1:name=systemd:/path`), or else any that names a container.
    pub fn of_process(text: &str) -> Membership {
        let paths = || {
            text.lines().filter_map(|line| {
                let mut parts = line.splitn(3, ':');
                let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
                let rank = match (number, controllers) {
                    ("0", "") => 0,
                    (_, "name=systemd") => 1,
                    _ => 2,
                };
                Some((rank, path))
            })
        };
        let mut ranked: Vec<(i32, &str)> = paths().collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut found = Membership::default();
        for (rank, path) in ranked {
            let this = Membership::of_path(path);
            if rank < 2 {
                found.unit = found.unit.or(this.unit);
            }
            found.container = found.container.or(this.container);
        }
        found
    }

    /// Reads one path, for example `/system.slice/docker-4c01….scope`.
    pub fn of_path(path: &str) -> Membership {
        let mut found = Membership::default();
        let mut parent = "";
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if let Some(container) = container(part, parent) {
                found.container = Some(container);
                // A container's own systemd has units too; the one that holds the container counts.
                break;
            }
            if is_unit(part) {
                found.unit = Some(part.to_owned());
            }
            parent = part;
        }
        // The scope of a container is named by the container.
        if found.container.is_some() {
            found.unit = found.unit.filter(|unit| !unit.starts_with("libpod"));
        }
        found
    }
}

fn is_unit(part: &str) -> bool {
    [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|end| part.ends_with(end))
}

fn container(part: &str, parent: &str) -> Option<String> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    // A control group of the runtime's monitor, beside the container's.
    if name.starts_with("libpod-conmon-") || name.starts_with("crio-conmon-") {
        return None;
    }
    for (prefix, runtime) in PREFIXES {
        if let Some(id) = name.strip_prefix(prefix) {
            let lxc = *runtime == "lxc" && !id.is_empty();
            return (lxc || is_id(id)).then(|| format!("{runtime} {}", short(id)));
        }
    }
    if let Some(machine) = name.strip_prefix("machine-")
        && part.ends_with(".scope")
    {
        return Some(format!("machine {}", machine.replace("\\x2d", "-")));
    }
    // The cgroupfs driver names a folder by the bare id: /docker/<id>, /kubepods/burstable/pod<uid>/<id>.
    let runtime = match parent {
        "docker" => "docker",
        "libpod_parent" | "libpod" => "podman",
        _ if parent.starts_with("pod") || parent.starts_with("kubepods") => "kubernetes",
        _ => return None,
    };
    is_id(name).then(|| format!("{runtime} {}", short(name)))
}

/// Says whether it is a container's id: 64 hexadecimal digits, 12 at least.
fn is_id(text: &str) -> bool {
    text.len() >= SHORT && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn short(id: &str) -> &str {
    if is_id(id) { id.get(..SHORT).unwrap_or(id) } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "4c01db0b339c1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3";

    fn of(path: &str) -> (Option<String>, Option<String>) {
        let found = Membership::of_path(path);
        (found.unit, found.container)
    }

    #[test]
    fn a_service_is_a_unit_and_a_slice_is_not() {
        assert_eq!(of("/system.slice/nginx.service"), (Some("nginx.service".into()), None));
        assert_eq!(of("/user.slice/user-1000.slice"), (None, None));
        let path = "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service";
        assert_eq!(of(path), (Some("web.service".into()), None));
    }

    #[test]
    fn every_runtime_is_named_with_a_short_id() {
        for (path, runtime) in [
            (format!("/system.slice/docker-{ID}.scope"), "docker"),
            (format!("/docker/{ID}"), "docker"),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{ID}.scope"
                ),
                "containerd",
            ),
            (format!("/kubepods/besteffort/pod123/{ID}"), "kubernetes"),
            (format!("/machine.slice/libpod-{ID}.scope/container"), "podman"),
            (format!("/kubepods.slice/crio-{ID}.scope"), "cri-o"),
        ] {
            assert_eq!(of(&path).1, Some(format!("{runtime} 4c01db0b339c")), "{path}");
        }
        assert_eq!(of("/lxc.payload.web1/init.scope").1, Some("lxc web1".into()));
    }

    #[test]
    fn the_monitor_of_a_container_is_not_the_container() {
        assert_eq!(of(&format!("/machine.slice/libpod-conmon-{ID}.scope")).1, None);
    }

    #[test]
    fn the_line_of_cgroup_2_goes_first_and_version_1_still_tells() {
        let text = format!("4:memory:/docker/{ID}\n1:name=systemd:/system.slice/x.service\n0::/\n");
        let found = Membership::of_process(&text);
        assert_eq!(found.unit.as_deref(), Some("x.service"));
        assert_eq!(found.container.as_deref(), Some("docker 4c01db0b339c"));
        assert_eq!(Membership::of_process("0::/\n"), Membership::default());
    }

    proptest! {
        #[test]
        fn any_text_parses(text in "\\PC*", path in "(/[a-z0-9.-]{0,20}){0,6}") {
            let _ = (Membership::of_process(&text), Membership::of_path(&path));
        }
    }
}
