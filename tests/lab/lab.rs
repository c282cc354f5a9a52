//! A network that runs: its hosts, its long cable, and the thread of its servers.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;

use crate::groups::Group;
use crate::net::{Host, Plan, forward};
use crate::process::Process;
use crate::servers::Stage;
use crate::topology::Topology;
use crate::wire::{Cable, Wire};

/// See the module.
pub(crate) struct Lab {
    // Dropped in this order: first what sends, last the namespaces.
    kept: Vec<Box<dyn Any + Send>>,
    pub(crate) stage: Stage,
    _wire: Wire,
    hosts: Vec<Host>,
    /// Process ids by name.
    pub(crate) processes: BTreeMap<&'static str, u32>,
}

impl Lab {
    /// Builds the network; nothing is served yet and nothing is broken.
    pub(crate) fn build(topology: Topology, cable: Cable) -> io::Result<Lab> {
        let mut plan = Plan::default();
        topology.lay_out(&mut plan);
        let hosts = plan.build()?;
        let named = |name: &str| hosts.iter().find(|host| host.name == name).expect("a host");
        for router in topology.routers() {
            forward(named(router))?;
        }
        topology.finish(&named)?;
        let wire = Wire::start(named("wire"), "wl", "wr", cable)?;
        Ok(Lab {
            kept: Vec::new(),
            stage: Stage::open()?,
            _wire: wire,
            hosts,
            processes: BTreeMap::new(),
        })
    }

    pub(crate) fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).expect("a host of this topology")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.name == name)
    }

    /// Keeps something until the network is torn down.
    pub(crate) fn keep(&mut self, thing: impl Any + Send) {
        self.kept.push(Box::new(thing));
    }

    /// Starts a process on a host.
    pub(crate) fn start(&mut self, host: &'static str, process: &Process) -> io::Result<()> {
        let running = process.start(self.host(host))?;
        self.processes.insert(process.name, running.id());
        self.keep(running);
        Ok(())
    }

    /// Starts a process on a host, in a control group of this name.
    pub(crate) fn start_in_group(
        &mut self,
        host: &'static str,
        group: &str,
        process: Process,
    ) -> io::Result<()> {
        let group = Group::new(group)?;
        // The last to be dropped: only an empty group can be removed.
        self.start(host, &process.in_group(&group.folder()))?;
        self.keep(group);
        Ok(())
    }

    /// Starts a process in a network namespace of its own, on no cable.
    pub(crate) fn start_apart(&mut self, process: &Process) -> io::Result<()> {
        let apart = Host::new(process.name)?;
        let running = process.start(&apart)?;
        self.processes.insert(process.name, running.id());
        self.keep(running);
        self.keep(apart);
        Ok(())
    }
}
