//! The network that a command runs in, and running it there.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cases::Case;
use crate::dns_server::{self, Zone};
use crate::first_packet::Ear;
use crate::lab::Lab;
use crate::run::{self, Invocation, Limits, Mode, Ran};
use crate::servers::{self, Serve};
use crate::tool::Tool;
use crate::topology::Topology;
use crate::wire::Cable;

/// `c - r1 - r2 - s`, a name server behind `r1`, and the fault of a case.
pub(crate) struct Network {
    lab: Lab,
    etc: [(&'static str, PathBuf); 3],
    round_trip: Duration,
}

impl Network {
    pub(crate) fn build(case: &Case) -> io::Result<Network> {
        let cable = Cable { delay: case.delay, ..Cable::default() };
        let lab = Lab::build(Topology::Line(2), cable)?;
        let greeting = Serve::Greets("SSH-2.0-OpenSSH_9.2p1\r\n", Duration::ZERO);
        servers::serve(&lab.stage, lab.host("s"), 22, greeting)?;
        servers::serve(&lab.stage, lab.host("s"), 8080, Serve::Reads)?;
        servers::serve(&lab.stage, lab.host("c"), 8080, Serve::Reads)?;
        dns_server::serve(&lab.stage, lab.host("d"), "10.4.9.53", Zone::usual())?;
        for (host, rules) in &case.rules {
            lab.host(host).nft(rules)?;
        }
        warm_up(&lab, "s", "10.4.3.2")?;
        warm_up(&lab, "d", "10.4.9.53")?;
        let round_trip = warm_up(&lab, "s", "10.4.3.2")?;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("speed");
        fs::create_dir_all(&folder)?;
        let etc = [
            ("resolv.conf", "nameserver 10.4.9.53\n"),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
            ("nsswitch.conf", "hosts: files dns\n"),
        ];
        let etc = etc.map(|(name, text)| (name, folder.join(name), text));
        for (_, file, text) in &etc {
            fs::write(file, text)?;
        }
        Ok(Network { lab, etc: etc.map(|(name, file, _)| (name, file)), round_trip })
    }

    /// Returns how long a packet took to the server and back.
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Runs the product without privilege.
    pub(crate) fn product(&self, arguments: &[String]) -> io::Result<Ran> {
        run::on(self.lab.host("c"), &self.invocation(arguments, Mode::Nobody))
    }

    /// As [`Network::product`]; also says when its first packet left.
    pub(crate) fn first_packet(&self, arguments: &[String]) -> io::Result<(Ran, Option<Duration>)> {
        let ear = Ear::open(self.lab.host("c"))?;
        let ran = self.product(arguments)?;
        let first = ear.first_after(ran.started)?;
        Ok((ran, first))
    }

    /// Runs a classic command as root.
    pub(crate) fn classic(&self, tool: &Tool) -> io::Result<Ran> {
        let mut command = Command::new(tool.name());
        command.env_clear().args(&tool.0[1..]);
        run::command_on(self.lab.host("c"), command, &self.invocation(&[], Mode::Root))
    }

    /// As [`Network::classic`]; also says when its first packet left.
    pub(crate) fn classic_first_packet(&self, tool: &Tool) -> io::Result<(Ran, Option<Duration>)> {
        let ear = Ear::open(self.lab.host("c"))?;
        let ran = self.classic(tool)?;
        let first = ear.first_after(ran.started)?;
        Ok((ran, first))
    }

    fn invocation<'a>(&'a self, arguments: &'a [String], mode: Mode) -> Invocation<'a> {
        Invocation { arguments, mode, etc: &self.etc, limits: Limits::default() }
    }
}

/// Sends a packet to a host and back, so that everybody on the way knows his neighbours; returns how
/// long it took.
fn warm_up(lab: &Lab, host: &str, address: &str) -> io::Result<Duration> {
    let patience = Some(Duration::from_secs(5));
    let there = lab.host(host).enter(|| UdpSocket::bind((address, 0)))?;
    let here = lab.host("c").enter(|| UdpSocket::bind(("0.0.0.0", 0)))?;
    there.set_read_timeout(patience)?;
    here.set_read_timeout(patience)?;
    let start = Instant::now();
    here.send_to(b"there", there.local_addr()?)?;
    let (_, from) = there.recv_from(&mut [0; 8])?;
    there.send_to(b"back", from)?;
    here.recv_from(&mut [0; 8])?;
    Ok(start.elapsed())
}
