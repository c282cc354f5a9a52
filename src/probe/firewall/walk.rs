//! The packet's way through the base chains: who decides about it?

use std::collections::HashMap;

use super::matching::Fate;
use super::packet::Packet;
use super::standing::Standing;
use crate::wire::nft::{Base, Chain, Family, Hook, Rule, Ruleset};

/// The kernel follows at most 16 jumps (`NFT_JUMP_STACK_SIZE`); more cannot be in a valid ruleset.
const DEPTH: usize = 16;
/// Rules looked at before the walk is given up: uncertain jumps may lead through a chain many times.
const PATIENCE: usize = 200_000;

/// Where a decision falls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The chain of the rule, or the base chain whose policy decides.
    pub(super) chain: &'a Chain,
    /// The hook of the base chain that leads there.
    pub(super) hook: Hook,
    /// The rule; `None` for a policy.
    pub(super) rule: Option<&'a Rule>,
    /// Whether it rejects rather than drops.
    pub(super) rejects: bool,
}

/// A rule that may match.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt<'a> {
    pub(super) place: Place<'a>,
    /// Whether it would end the packet.
    pub(super) drops: bool,
}

/// What the rules say of a packet.
#[derive(Debug, Clone, Default)]
pub(super) struct Decision<'a> {
    /// Whether any rule or dropping policy stands on the way.
    pub(super) any_rules: bool,
    /// What surely ends the packet, if nothing before did.
    pub(super) ends: Option<Place<'a>>,
    /// What gives the packet another destination, surely or not; what follows on its way then
    /// decides about others.
    pub(super) diverts: Option<Place<'a>>,
    /// Rules that may match before that, in the order of the packet's way.
    pub(super) doubts: Vec<Doubt<'a>>,
    /// Whether the walk was given up.
    pub(super) gave_up: bool,
}

/// Follows a packet through all base chains on its way.
pub(super) fn decide<'a>(rules: &'a Ruleset, packet: &Packet) -> Decision<'a> {
    let mut by_chain: HashMap<Key<'_>, Vec<&Rule>> = HashMap::new();
    for rule in &rules.rules {
        let key = (rule.family, rule.table.as_str(), rule.chain.as_str());
        by_chain.entry(key).or_default().push(rule);
    }
    let mut walk = Walk {
        rules,
        by_chain,
        standing: Standing::new(packet.clone()),
        decision: Decision::default(),
        stays: true,
        steps: 0,
    };
    for hook in packet.hooks() {
        for (chain, base, sure) in base_chains(rules, packet, *hook) {
            let sure = sure && walk.stays;
            if walk.pass(chain, base, sure) == Flow::Ended {
                return walk.decision;
            }
        }
    }
    walk.decision
}

/// Lists the base chains of a hook in the order of their calls, and whether the packet surely passes
/// them. Of chains with one priority the one registered last is called first (`nf_hook_entries_grow`);
/// the dump keeps the order of registration as long as nobody adds chains to an older table.
fn base_chains<'a>(
    rules: &'a Ruleset,
    packet: &Packet,
    hook: Hook,
) -> Vec<(&'a Chain, &'a Base, bool)> {
    let mut found: Vec<_> = (rules.chains.iter())
        .filter_map(|chain| Some((chain, chain.base.as_ref()?)))
        .filter(|(chain, base)| base.hook == hook && packet.passes(chain.family))
        // Address translation looks at the first packet of a connection only.
        .filter(|(_, base)| base.kind != "nat" || !packet.answers())
        .filter_map(|(chain, base)| Some((chain, base, on_device(base, packet)?)))
        .collect();
    found.reverse();
    found.sort_by_key(|(_, base, _)| base.priority);
    found
}

/// Says whether a chain that is bound to devices sees the packet: surely, perhaps, or (`None`) not.
fn on_device(base: &Base, packet: &Packet) -> Option<bool> {
    match &packet.device {
        _ if !matches!(base.hook, Hook::Ingress | Hook::Egress) => Some(true),
        Some(device) => base.devices.contains(&device.name).then_some(true),
        None => Some(false),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// The chain had nothing to say.
    Through,
    /// This base chain is done.
    Accepted,
    /// The packet is.
    Ended,
}

type Key<'a> = (Family, &'a str, &'a str);

struct Walk<'a> {
    rules: &'a Ruleset,
    by_chain: HashMap<Key<'a>, Vec<&'a Rule>>,
    standing: Standing,
    decision: Decision<'a>,
    /// Whether the packet is surely still for the port in question.
    stays: bool,
    steps: usize,
}

impl<'a> Walk<'a> {
    fn pass(&mut self, chain: &'a Chain, base: &'a Base, sure: bool) -> Flow {
        self.standing.hook = base.hook;
        self.standing.priority = base.priority;
        self.decision.any_rules |= base.drops || !self.of(chain).is_empty();
        let flow = self.follow(chain, base.hook, sure, 0);
        if flow != Flow::Through || !base.drops {
            return flow;
        }
        let place = Place { chain, hook: base.hook, rule: None, rejects: false };
        self.end(place, sure)
    }

    /// Lists the rules of a chain.
    fn of(&self, chain: &'a Chain) -> Vec<&'a Rule> {
        let key = (chain.family, chain.table.as_str(), chain.name.as_str());
        self.by_chain.get(&key).cloned().unwrap_or_default()
    }

    fn find(&self, from: &Chain, name: &str) -> Option<&'a Chain> {
        self.rules.chains.iter().find(|chain| {
            chain.family == from.family && chain.table == from.table && chain.name == name
        })
    }

    /// Follows the rules of a chain. `sure` says whether the packet surely comes here; while it does
    /// not, nothing is decided and all that might decide is a doubt.
    fn follow(&mut self, chain: &'a Chain, hook: Hook, mut sure: bool, depth: usize) -> Flow {
        for rule in self.of(chain) {
            self.steps += 1;
            if depth > DEPTH || self.steps > PATIENCE {
                self.decision.gave_up = true;
                return Flow::Through;
            }
            let Some(fires) = self.standing.fires(self.rules, rule, sure) else {
                continue;
            };
            let certain = sure && fires.certain;
            for fate in fires.fates {
                let place = Place { chain, hook, rule: Some(rule), rejects: fate == Fate::Reject };
                let flow = match fate {
                    Fate::Next => Flow::Through,
                    Fate::Accept if certain => return Flow::Accepted,
                    Fate::Accept => self.doubt(place, false),
                    Fate::Drop | Fate::Reject => self.end(place, certain),
                    Fate::Divert => {
                        self.decision.diverts.get_or_insert(place);
                        if certain {
                            return Flow::Ended;
                        }
                        self.stays = false;
                        Flow::Through
                    }
                    Fate::Unknown => {
                        let _ = self.doubt(place, true);
                        // What comes back from there has passed this chain.
                        if certain {
                            return Flow::Accepted;
                        }
                        Flow::Through
                    }
                    Fate::Return if certain => return Flow::Through,
                    Fate::Return => {
                        sure = false;
                        Flow::Through
                    }
                    Fate::Jump(name) => match self.find(chain, &name) {
                        Some(next) => self.follow(next, hook, certain, depth + 1),
                        None => self.doubt(place, true),
                    },
                    Fate::Goto(name) => {
                        let flow = match self.find(chain, &name) {
                            Some(next) => self.follow(next, hook, certain, depth + 1),
                            None => self.doubt(place, true),
                        };
                        if certain {
                            return flow;
                        }
                        sure = false;
                        flow
                    }
                };
                if flow != Flow::Through {
                    return flow;
                }
            }
        }
        Flow::Through
    }

    fn end(&mut self, place: Place<'a>, certain: bool) -> Flow {
        if certain {
            self.decision.ends = Some(place);
            return Flow::Ended;
        }
        self.doubt(place, true)
    }

    fn doubt(&mut self, place: Place<'a>, drops: bool) -> Flow {
        let known = self.decision.doubts.iter().any(|doubt| match (doubt.place.rule, place.rule) {
            (Some(a), Some(b)) => std::ptr::eq(a, b) && doubt.drops == drops,
            (None, None) => std::ptr::eq(doubt.place.chain, place.chain),
            _ => false,
        });
        if !known {
            self.decision.doubts.push(Doubt { place, drops });
        }
        Flow::Through
    }
}
