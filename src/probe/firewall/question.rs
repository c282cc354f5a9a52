//! The arguments as packets: which headers, which way, by which interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::packet::{CLIENT_PORTS, Device, Packet, SYN, SYN_ACK};
use super::{Direction, FirewallArgs};
use crate::model::outcome::Why;
use crate::sys;

/// What is asked about.
#[derive(Debug)]
pub(super) struct Question {
    /// The packet, when one certain packet is meant.
    pub(super) packet: Packet,
    /// The packets of clients, when any client is meant: one for each family and interface.
    pub(super) clients: Vec<Client>,
    /// Where our SYNs would go.
    pub(super) target: Option<SocketAddr>,
    /// Where they would come from, when the caller said so.
    pub(super) bind: Option<IpAddr>,
}

/// What passes between a client and this machine.
#[derive(Debug)]
pub(super) struct Client {
    /// Its SYN.
    pub(super) syn: Packet,
    /// Our SYN-ACK.
    pub(super) answer: Packet,
}

impl Question {
    /// Builds the packet; what the caller did not say is looked up in the routing table.
    pub(super) fn from_args(args: &FirewallArgs) -> Result<Question, Why> {
        let (remote, scope) = match &args.address {
            Some(text) => {
                let (address, scope) = address(text)?;
                (Some(address), scope)
            }
            None => (None, None),
        };
        let own = match &args.source {
            Some(text) => Some(address(text)?.0),
            None => None,
        };
        let Some(remote) = remote else {
            return Question::any_client(args, own);
        };
        let route = match args.direction {
            Direction::Input => None,
            Direction::Output | Direction::Reply | Direction::Answer => sys::egress::toward(remote),
        };
        let named = args.device.clone().or(scope);
        let routed = route.as_ref().map(|route| route.device.clone());
        let name =
            named.or(routed.filter(|name| args.direction != Direction::Reply || name != "lo"));
        let device = name.map(device);
        let index = device.as_ref().and_then(|device| device.index);
        let target = match remote {
            IpAddr::V4(_) => SocketAddr::new(remote, args.port),
            IpAddr::V6(v6) => {
                let scope = if v6.is_unicast_link_local() { index } else { None };
                SocketAddrV6::new(v6, args.port, 0, scope.unwrap_or(0)).into()
            }
        };
        let mut packet = blank(args, remote.is_ipv6());
        packet.device = device;
        let routed_source = route.and_then(|route| route.source);
        let here = own.or(routed_source);
        match args.direction {
            Direction::Output | Direction::Answer => {
                packet.source = here;
                packet.destination = Some(remote);
                packet.local_destination = packet.device.is_some().then(|| packet.loopback());
            }
            Direction::Input | Direction::Reply => {
                packet.source = Some(remote);
                packet.destination = here;
                packet.local_source = packet.device.is_some().then(|| packet.loopback());
            }
        }
        Ok(Question { packet, clients: Vec::new(), target: Some(target), bind: own })
    }

    fn any_client(args: &FirewallArgs, own: Option<IpAddr>) -> Result<Question, Why> {
        if args.direction != Direction::Input {
            return Err(Why::Depends { on: "address".to_owned() });
        }
        let client = match &args.client {
            Some(text) => Some(address(text)?.0),
            None => None,
        };
        let clients: Vec<Client> = (ways_in(args, own, client).into_iter())
            .map(|Way { device: name, v6, own }| {
                let device = name.map(device);
                let loopback = device.as_ref().map(|device| device.name == "lo");
                let mut syn = blank(args, v6);
                (syn.source, syn.destination) = (client, own);
                syn.device = device.clone();
                syn.local_source = loopback;
                let mut answer = Packet { direction: Direction::Answer, ..syn.clone() };
                (answer.source, answer.destination) = (own, client);
                (answer.source_ports, answer.destination_ports) =
                    (syn.destination_ports, syn.source_ports);
                (answer.local_source, answer.local_destination) = (Some(true), loopback);
                answer.flags = SYN_ACK;
                Client { syn, answer }
            })
            .collect();
        let packet = blank(args, own.is_some_and(|own| own.is_ipv6()));
        Ok(Question { packet, clients, target: None, bind: None })
    }
}

/// How a client may come.
struct Way {
    /// The interface; `None` for any.
    device: Option<String>,
    v6: bool,
    /// The address of ours that it connects to; `None` for any.
    own: Option<IpAddr>,
}

/// Lists by which interfaces clients may come, with which family, and to which address of ours. Where
/// no interface has an address, or there are too many, that is left open.
fn ways_in(args: &FirewallArgs, own: Option<IpAddr>, client: Option<IpAddr>) -> Vec<Way> {
    let ends = [own, client];
    let meant = |v6: bool| ends.iter().flatten().all(|end| end.is_ipv6() == v6);
    let families = || [false, true].into_iter().filter(|v6| meant(*v6));
    // A known client comes in where our answer goes out.
    let routed = client.and_then(sys::egress::toward).map(|route| route.device);
    let mut ways: Vec<(Option<String>, bool)> = match args.device.clone().or(routed) {
        Some(name) => families().map(|v6| (Some(name.clone()), v6)).collect(),
        None => sys::egress::ways_in().into_iter().map(|(name, v6)| (Some(name), v6)).collect(),
    };
    ways.retain(|(_, v6)| meant(*v6));
    ways.truncate(WAYS);
    if ways.is_empty() {
        ways = families().map(|v6| (None, v6)).collect();
    }
    let addresses = match own {
        Some(own) => vec![own],
        None => sys::egress::own_addresses(),
    };
    // An address of one interface may be asked for by another.
    let reached: Vec<Way> = (ways.iter())
        .flat_map(|(device, v6)| {
            let of_family = addresses.iter().filter(|own| own.is_ipv6() == *v6);
            of_family.map(|own| Way { device: device.clone(), v6: *v6, own: Some(*own) })
        })
        .collect();
    let every = ways.iter().all(|(_, v6)| reached.iter().any(|way| way.v6 == *v6));
    if every && reached.len() <= WAYS {
        return reached;
    }
    ways.into_iter().map(|(device, v6)| Way { device, v6, own }).collect()
}

/// Interfaces, families and addresses that are looked at; machines with more have them all alike.
const WAYS: usize = 32;

/// A packet of a direction, without what depends on addresses.
fn blank(args: &FirewallArgs, v6: bool) -> Packet {
    let port = (args.port, args.port);
    let ours = sys::egress::local_ports().unwrap_or(CLIENT_PORTS);
    // An answer belongs to the process that listens.
    let ours_to_send = args.direction == Direction::Output;
    let sends = matches!(args.direction, Direction::Output | Direction::Answer);
    let (source_ports, destination_ports) = match args.direction {
        Direction::Output => (ours, port),
        Direction::Input => (CLIENT_PORTS, port),
        Direction::Reply => (port, ours),
        Direction::Answer => (port, CLIENT_PORTS),
    };
    Packet {
        direction: args.direction,
        v6,
        source: None,
        destination: None,
        source_ports,
        destination_ports,
        flags: match args.direction {
            Direction::Reply | Direction::Answer => SYN_ACK,
            Direction::Output | Direction::Input => SYN,
        },
        device: None,
        local_source: sends.then_some(true),
        local_destination: (!sends).then_some(true),
        uid: ours_to_send.then(sys::caps::effective_uid),
        gid: ours_to_send.then(sys::caps::effective_gid),
    }
}

fn device(name: String) -> Device {
    let index = sys::egress::device_index(&name);
    Device { name, index }
}

/// Reads an address, with an interface behind `%`.
fn address(text: &str) -> Result<(IpAddr, Option<String>), Why> {
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope.to_owned())),
        None => (text, None),
    };
    let address = address.trim_matches(['[', ']']);
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => Ok((plain(v6), scope)),
        Ok(address) => Ok((address, scope)),
        Err(_) => Err(Why::Unsupported { what: format!("address {text:?}") }),
    }
}

/// A v4-mapped address is IPv4 on the wire.
fn plain(address: Ipv6Addr) -> IpAddr {
    let mapped: Option<Ipv4Addr> = address.to_ipv4_mapped();
    mapped.map_or(IpAddr::V6(address), IpAddr::V4)
}
