//! Lists the nftables ruleset of this network namespace.

use std::ffi::CString;

use netlink_bindings::nftables::{Nfgenmsg, Request};

use crate::sys::netlink::{Netlink, NetlinkError};
use crate::wire::nft::{Expr, Family, Rule, Ruleset, Set, decode};

/// Lists chains, rules, and the sets that rules look into; nothing of tables that sleep.
///
/// # Errors
///
/// Returns the kernel's refusal: EPERM without `CAP_NET_ADMIN`, EINVAL without nf_tables.
pub fn ruleset() -> Result<Ruleset, NetlinkError> {
    let mut socket = Netlink::open(libc::NETLINK_NETFILTER as u16)?;
    let everything = Nfgenmsg::default();
    let tables = socket.request(&Request::new().op_gettable_dump(&everything))?;
    let dormant = decoded(&tables.messages, decode::dormant);
    let chains = socket.request(&Request::new().op_getchain_dump(&everything))?;
    let rules = socket.request(&Request::new().op_getrule_dump(&everything))?;
    let mut ruleset = Ruleset {
        chains: decoded(&chains.messages, decode::chain),
        rules: decoded(&rules.messages, decode::rule),
        sets: Vec::new(),
    };
    let awake = |family: Family, table: &str| {
        !dormant.iter().any(|(its_family, its_name)| *its_family == family && its_name == table)
    };
    ruleset.chains.retain(|chain| awake(chain.family, &chain.table));
    ruleset.rules.retain(|rule| awake(rule.family, &rule.table));
    if ruleset.rules.iter().any(|rule| looked_up(rule).next().is_some()) {
        let sets = socket.request(&Request::new().op_getset_dump(&everything))?;
        ruleset.sets = decoded(&sets.messages, decode::set);
        ruleset.sets.retain(|set| wanted(&ruleset.rules, set));
        for set in &mut ruleset.sets {
            fill(&mut socket, set)?;
        }
    }
    Ok(ruleset)
}

/// Lists the rules of one chain again, for their counters.
///
/// # Errors
///
/// As [`ruleset`]; ENOENT when the chain is gone.
pub fn chain_rules(family: Family, table: &str, chain: &str) -> Result<Vec<Rule>, NetlinkError> {
    let mut socket = Netlink::open(libc::NETLINK_NETFILTER as u16)?;
    let mut request = Request::new().op_getrule_dump(&header(family));
    request.encode().push_table(&name(table)?).push_chain(&name(chain)?);
    let replies = socket.request(&request)?;
    let mut rules = decoded(&replies.messages, decode::rule);
    // Kernels before 3.18 ignore the filter.
    rules.retain(|rule| rule.family == family && rule.table == table && rule.chain == chain);
    Ok(rules)
}

fn fill(socket: &mut Netlink, set: &mut Set) -> Result<(), NetlinkError> {
    let mut request = Request::new().op_getsetelem_dump(&header(set.family));
    request.encode().push_table(&name(&set.table)?).push_set(&name(&set.name)?);
    let replies = socket.request(&request)?;
    let elements = replies.messages.iter();
    set.fill(elements.flat_map(|(_, bytes)| decode::elements(bytes)).collect());
    Ok(())
}

fn wanted(rules: &[Rule], set: &Set) -> bool {
    rules
        .iter()
        .filter(|rule| rule.family == set.family && rule.table == set.table)
        .any(|rule| looked_up(rule).any(|name| *name == set.name))
}

fn looked_up(rule: &Rule) -> impl Iterator<Item = &String> {
    rule.exprs.iter().filter_map(|expr| match expr {
        Expr::Lookup { set, .. } => Some(set),
        _ => None,
    })
}

fn header(family: Family) -> Nfgenmsg {
    Nfgenmsg { nfgen_family: family.number(), ..Nfgenmsg::default() }
}

fn name(text: &str) -> Result<CString, NetlinkError> {
    CString::new(text).map_err(|_| NetlinkError::Malformed)
}

fn decoded<T>(messages: &[(u16, Vec<u8>)], decode: fn(&[u8]) -> Option<T>) -> Vec<T> {
    (messages.iter()).filter_map(|(_, bytes)| decode(bytes)).collect()
}
