//! A scenario: one network, one fault, one command line, and what must come of it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::dialogue;
use crate::dns_server::{self, Zone};
use crate::expect::{Expect, essence};
use crate::lab::Lab;
use crate::net::has_other_users;
use crate::process::Process;
use crate::redacted;
use crate::run::{self, Forbidden, Invocation, Limits, Mode};
use crate::screen::Screen;
use crate::seen::Settings;
use crate::servers::{self, Serve};
use crate::terminal;
use crate::topology::Topology;
use crate::wire::{Cable, Filter, Way};

type Step = Box<dyn Fn(&mut Lab) -> io::Result<()> + Send + Sync>;

/// See the module.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    topology: Topology,
    cable: Cable,
    ping: bool,
    services: Vec<(u16, Serve)>,
    zones: Vec<(&'static str, Zone)>,
    resolv: &'static str,
    hosts: &'static str,
    steps: Vec<Step>,
    arguments: Vec<String>,
    at: &'static str,
    unchanged: bool,
    both_ends: bool,
    limits: Limits,
    root: Option<Expect>,
    nobody: Option<Expect>,
}

/// A network in order: `c - r1 - r2 - s`, 20 ms round trip, name server `d` behind `r1`; `s` serves
/// ports 22, 80 and 8080 for both families. The name is a sentence.
pub(crate) fn scenario(name: &'static str) -> Scenario {
    Scenario {
        name,
        topology: Topology::Line(2),
        cable: Cable::default(),
        ping: false,
        services: vec![
            (22, Serve::Greets("SSH-2.0-OpenSSH_9.2p1\r\n", Duration::ZERO)),
            (80, Serve::Reads),
            (8080, Serve::Reads),
        ],
        zones: vec![("10.4.9.53", Zone::usual())],
        resolv: "nameserver 10.4.9.53\n",
        hosts: "127.0.0.1 localhost\n::1 localhost\n",
        steps: Vec::new(),
        arguments: Vec::new(),
        at: "c",
        unchanged: false,
        both_ends: false,
        limits: Limits::default(),
        root: None,
        nobody: None,
    }
}

/// The network itself.
impl Scenario {
    pub(crate) fn topology(mut self, topology: Topology) -> Scenario {
        self.topology = topology;
        self
    }

    /// One way, on the client's cable.
    pub(crate) fn delay_ms(mut self, delay: u64) -> Scenario {
        self.cable.delay = Duration::from_millis(delay);
        self
    }

    pub(crate) fn jitter_ms(mut self, most: u64) -> Scenario {
        self.cable.jitter = Duration::from_millis(most);
        self
    }

    /// As [`Scenario::jitter_ms`], and frames overtake each other.
    pub(crate) fn reorder_ms(mut self, most: u64) -> Scenario {
        self.cable.reorder = true;
        self.jitter_ms(most)
    }

    /// Frames lost out of 100, each way.
    pub(crate) fn loss(mut self, percent: u32) -> Scenario {
        self.cable.loss = percent;
        self
    }

    /// Frames for which the filter says false are lost; each run makes a filter of its own.
    pub(crate) fn frames<F>(mut self, make: impl Fn() -> F + Send + Sync + 'static) -> Scenario
    where
        F: FnMut(Way, &[u8]) -> bool + Send + 'static,
    {
        let filter: Filter = std::sync::Arc::new(move || Box::new(make()));
        self.cable.filter = Some(filter);
        self
    }

    /// Lets everybody send ICMP echo, as most distributions do.
    pub(crate) fn ping_allowed(mut self) -> Scenario {
        self.ping = true;
        self
    }

    /// What `s` does on a port.
    pub(crate) fn serve(mut self, port: u16, how: Serve) -> Scenario {
        self.services.retain(|(other, _)| *other != port);
        self.services.push((port, how));
        self
    }

    /// `s` serves nothing but what is asked for after this.
    pub(crate) fn no_services(mut self) -> Scenario {
        self.services.clear();
        self
    }

    /// A server on another host.
    pub(crate) fn serve_on(self, host: &'static str, port: u16, how: Serve) -> Scenario {
        self.step(move |lab| servers::serve(&lab.stage, lab.host(host), port, how.clone()))
    }

    /// A server at one address of a host.
    pub(crate) fn serve_at(
        self,
        host: &'static str,
        address: &'static str,
        how: Serve,
    ) -> Scenario {
        self.step(move |lab| {
            let address: SocketAddr = address.parse().map_err(io::Error::other)?;
            servers::serve_at(&lab.stage, lab.host(host), address, 128, how.clone())
        })
    }

    /// What the name server knows.
    pub(crate) fn dns(mut self, zone: Zone) -> Scenario {
        self.zones = vec![("10.4.9.53", zone)];
        self
    }

    /// One more name server, at another address of `d`: 10.4.9.54.
    pub(crate) fn second_dns(mut self, zone: Zone) -> Scenario {
        self.zones.push(("10.4.9.54", zone));
        self
    }

    /// One more name server at an address of any host.
    pub(crate) fn dns_on(self, host: &'static str, address: &'static str, zone: Zone) -> Scenario {
        self.step(move |lab| dns_server::serve(&lab.stage, lab.host(host), address, zone.clone()))
    }

    /// No name server runs; their host is up.
    pub(crate) fn no_dns(mut self) -> Scenario {
        self.zones.clear();
        self
    }

    /// The client's resolv.conf.
    pub(crate) fn resolv(mut self, text: &'static str) -> Scenario {
        self.resolv = text;
        self
    }

    /// The client's hosts file.
    pub(crate) fn hosts(mut self, text: &'static str) -> Scenario {
        self.hosts = text;
        self
    }

    /// The product's limit of open files.
    pub(crate) fn open_files(mut self, limit: u64) -> Scenario {
        self.limits.open_files = Some(limit);
        self
    }

    /// The product finds nothing under `/proc`.
    pub(crate) fn without_proc(mut self) -> Scenario {
        self.limits.no_proc = true;
        self
    }

    /// The product may not do this.
    pub(crate) fn forbidden(mut self, what: Forbidden) -> Scenario {
        self.limits.forbidden = Some(what);
        self
    }
}

/// What is done to it, in this order.
impl Scenario {
    pub(crate) fn step(
        mut self,
        step: impl Fn(&mut Lab) -> io::Result<()> + Send + Sync + 'static,
    ) -> Scenario {
        self.steps.push(Box::new(step));
        self
    }

    /// Lines of `ip -batch` on a host.
    pub(crate) fn ip(self, host: &'static str, lines: impl Into<String>) -> Scenario {
        let lines = lines.into();
        self.step(move |lab| lab.host(host).ip(&lines))
    }

    /// Lines of `ip -6 -batch` on a host.
    pub(crate) fn ip6(self, host: &'static str, lines: impl Into<String>) -> Scenario {
        let lines = lines.into();
        self.step(move |lab| lab.host(host).ip6(&lines))
    }

    /// nftables rules on a host.
    pub(crate) fn nft(self, host: &'static str, rules: impl Into<String>) -> Scenario {
        let rules = rules.into();
        self.step(move |lab| lab.host(host).nft(&rules))
    }

    /// A line of the shell on a host, for tools that have no batch mode.
    pub(crate) fn shell(self, host: &'static str, line: &'static str) -> Scenario {
        self.step(move |lab| lab.host(host).run(line))
    }

    /// A service process on a host.
    pub(crate) fn process(self, host: &'static str, process: Process) -> Scenario {
        self.step(move |lab| lab.start(host, &process))
    }

    /// A service process in a network namespace of its own, as in a container, on no cable.
    pub(crate) fn process_apart(self, process: Process) -> Scenario {
        self.step(move |lab| lab.start_apart(&process))
    }

    /// The cable between `r1` and `r2` takes smaller packets than the others, and both know.
    pub(crate) fn narrow(self, mtu: u32) -> Scenario {
        self.ip("r1", format!("link set r1b mtu {mtu}")).ip("r2", format!("link set r2a mtu {mtu}"))
    }

    /// A kernel setting of a host, as a path under `/proc/sys`.
    pub(crate) fn sysctl(
        self,
        host: &'static str,
        key: &'static str,
        value: &'static str,
    ) -> Scenario {
        self.step(move |lab| lab.host(host).sysctl(key, value))
    }
}

/// The command and what must come of it.
impl Scenario {
    /// `tcpdoctor diagnose TARGET`, and more arguments after a blank.
    pub(crate) fn diagnose(mut self, target: &str) -> Scenario {
        self.arguments = ["diagnose"]
            .into_iter()
            .chain(target.split_whitespace())
            .chain(["--format", "json", "--no-input"])
            .map(str::to_owned)
            .collect();
        self
    }

    /// Where it runs; on the client unless said otherwise.
    pub(crate) fn run_on(mut self, host: &'static str) -> Scenario {
        self.at = host;
        self
    }

    /// The client is at a terminal and goes on with what the same product says on `s`, in the same mode.
    pub(crate) fn both_ends(mut self) -> Scenario {
        self.both_ends = true;
        self
    }

    /// Settings, rules, routes and sockets of that host must be the same before and after.
    pub(crate) fn unchanged(mut self) -> Scenario {
        self.unchanged = true;
        self
    }

    /// Whoever runs it.
    pub(crate) fn expect(mut self, expect: Expect) -> Scenario {
        self.root = Some(expect.clone());
        self.nobody = Some(expect);
        self
    }

    /// Otherwise for root.
    pub(crate) fn for_root(mut self, expect: Expect) -> Scenario {
        self.root = Some(expect);
        self
    }

    /// Otherwise for nobody.
    pub(crate) fn for_nobody(mut self, expect: Expect) -> Scenario {
        self.nobody = Some(expect);
        self
    }

    /// The diagnoses and findings that this scenario must reach.
    pub(crate) fn reaches(&self) -> impl Iterator<Item = &'static str> {
        self.root.iter().chain(&self.nobody).flat_map(Expect::ids)
    }

    /// Nobody has to be somebody else than the lab, which takes a root with other users.
    pub(crate) fn needs_other_users(mut self) -> Scenario {
        self.nobody = self.nobody.filter(|_| has_other_users());
        self
    }

    pub(crate) fn runs_in(&self, mode: Mode) -> bool {
        self.expectation(mode).is_some()
    }

    fn expectation(&self, mode: Mode) -> Option<&Expect> {
        match mode {
            Mode::Root => self.root.as_ref(),
            Mode::Nobody => self.nobody.as_ref(),
        }
    }
}

/// Files of one run, removed with it.
struct Files(PathBuf);

impl Files {
    fn new() -> io::Result<Files> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("lab-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Files(path))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Files {
    /// A folder in which the product may write, whoever runs it.
    fn for_everybody(&self) -> io::Result<PathBuf> {
        let path = std::env::temp_dir().join(self.0.file_name().expect("it has a name"));
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        Ok(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let name = self.0.file_name().expect("it has a name");
        let _ = fs::remove_dir_all(std::env::temp_dir().join(name));
    }
}

impl Scenario {
    /// Builds the network, serves, and does to it what is to be done.
    fn set_up(&self) -> io::Result<Lab> {
        let mut lab = Lab::build(self.topology, self.cable.clone())?;
        if self.ping {
            let everybody = if has_other_users() { "0 65534" } else { "0 0" };
            lab.host("c").sysctl("net/ipv4/ping_group_range", everybody)?;
        }
        for (port, how) in &self.services {
            servers::serve(&lab.stage, lab.host("s"), *port, how.clone())?;
        }
        if lab.has("d") {
            for (address, zone) in &self.zones {
                dns_server::serve(&lab.stage, lab.host("d"), address, zone.clone())?;
            }
        }
        for step in &self.steps {
            step(&mut lab)?;
        }
        Ok(lab)
    }

    /// Builds the network, and lets a person sit at a terminal in it, where the product runs as root; it
    /// leaves its report in a file.
    pub(crate) fn at_a_terminal<T>(
        &self,
        columns: u16,
        person: impl FnOnce(Screen, &Path) -> T,
    ) -> io::Result<T> {
        let files = Files::new()?;
        let lab = self.set_up()?;
        let etc = [
            ("resolv.conf", files.write("resolv.conf", self.resolv)?),
            ("hosts", files.write("hosts", self.hosts)?),
            ("nsswitch.conf", files.write("nsswitch.conf", "hosts: files dns\n")?),
        ];
        let report = files.0.join("report.json");
        let mut arguments = self.arguments.clone();
        arguments
            .retain(|argument| !["--format", "json", "--no-input"].contains(&argument.as_str()));
        arguments.extend(["--output".to_owned(), format!("json={}", report.display())]);
        let invocation =
            Invocation { arguments: &arguments, mode: Mode::Root, etc: &etc, limits: self.limits };
        let screen = terminal::at_a_terminal(lab.host(self.at), &invocation, columns)?;
        Ok(person(screen, &report))
    }

    /// Builds the network, runs the product and compares; an error says everything there is to say.
    pub(crate) fn run(&self, mode: Mode) -> Result<(), String> {
        let expect = self.expectation(mode).expect("asked for in this mode only");
        let broken = |e: io::Error| format!("the lab itself failed, not the product: {e}");
        let files = Files::new().map_err(broken)?;
        let lab = self.set_up().map_err(broken)?;
        let etc = [
            ("resolv.conf", files.write("resolv.conf", self.resolv).map_err(broken)?),
            ("hosts", files.write("hosts", self.hosts).map_err(broken)?),
            ("nsswitch.conf", files.write("nsswitch.conf", "hosts: files dns\n").map_err(broken)?),
        ];
        let invocation =
            Invocation { arguments: &self.arguments, mode, etc: &etc, limits: self.limits };
        let host = lab.host(self.at);
        let before = self.unchanged.then(|| Settings::of(host)).transpose().map_err(broken)?;
        let ran = match self.both_ends {
            true => dialogue::hold(&lab, &invocation, &files.for_everybody().map_err(broken)?),
            false => run::on(host, &invocation),
        };
        let ran = ran.map_err(broken)?;
        let after = self.unchanged.then(|| Settings::of(host)).transpose().map_err(broken)?;
        let expect = expect.with_process_ids(&lab.processes);
        drop(lab);
        if std::env::var_os("TCPDOCTOR_LAB_EXEC").is_some() {
            return Err(format!(
                "exit {:?}, {:.2?}\n{}{}",
                ran.code, ran.wall, ran.stdout, ran.stderr
            ));
        }

        let command = format!("tcpdoctor {}", self.arguments.join(" "));
        if expect.is_met_without_report(&ran) {
            return Ok(());
        }
        let Ok(report) = serde_json::from_str::<Value>(&ran.stdout) else {
            return Err(format!(
                "{command}\nno report, exit {:?} after {:.2?}\nstdout: {}\nstderr: {}",
                ran.code, ran.wall, ran.stdout, ran.stderr
            ));
        };
        let saved = files.write("report.json", &ran.stdout).map_err(broken)?;
        let again = run::replay(&saved, &[]).map_err(broken)?;
        let mut wrong = expect.check(&ran, &report, again.wall);
        if let Some((before, after)) = before.zip(after) {
            wrong.extend(before.changes(&after));
        }
        match serde_json::from_str::<Value>(&again.stdout) {
            Ok(replayed) if essence(&replayed) == essence(&report) => {}
            Ok(replayed) => wrong.push(format!(
                "replay differs:\n  live   {}\n  replay {}",
                essence(&report),
                essence(&replayed)
            )),
            Err(_) => wrong.push(format!("replay gave no report: {}", again.stderr)),
        }
        wrong.extend(redacted::broken_by(&saved, &report).map_err(broken)?);
        if let Some(folder) = std::env::var_os("TCPDOCTOR_LAB_REPORTS") {
            let name = self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            let _ =
                fs::write(PathBuf::from(folder).join(format!("{name}.{mode:?}.json")), &ran.stdout);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{command}\n- {}\nstderr: {}\nreport: {}",
            wrong.join("\n- "),
            ran.stderr,
            serde_json::to_string_pretty(&report).unwrap_or(ran.stdout)
        ))
    }
}
