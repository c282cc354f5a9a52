//! From the walk and the counters to what was seen.

use super::text::rule_text;
use super::walk::{Decision, Place};
use super::{DecidingRule, FirewallOutcome, FirewallSeen};
use crate::wire::nft::{Chain, Family, Rule, Ruleset};
use crate::wire::xtables::SUFFIX;

/// What the counters of rules said, before and after our SYNs.
#[derive(Debug, Default)]
pub(super) struct Readings {
    counters: Vec<Reading>,
    /// SYNs sent between the two.
    pub(super) shots: u32,
    /// The chains that are read.
    pub(super) chains: Vec<(Family, String, String)>,
}

#[derive(Debug)]
struct Reading {
    family: Family,
    table: String,
    /// The handles of iptables-legacy are numbers within their chain.
    chain: String,
    handle: u64,
    before: u64,
    after: Option<u64>,
    /// Whether it counts exactly the packets that meet the rule's fate.
    exact: bool,
}

impl Readings {
    /// Takes the counters that came with the rules.
    pub(super) fn new(rules: &Ruleset) -> Readings {
        let mut readings = Readings::default();
        readings.before(&rules.rules);
        readings
    }

    /// Takes the counters of rules as they are before our SYNs.
    pub(super) fn before(&mut self, rules: &[Rule]) {
        for rule in rules {
            let Some((before, exact)) = rule.counter() else {
                continue;
            };
            self.counters.retain(|reading| !reading.is_of(rule));
            self.counters.push(Reading {
                family: rule.family,
                table: rule.table.clone(),
                chain: rule.chain.clone(),
                handle: rule.handle,
                before,
                after: None,
                exact,
            });
        }
    }

    /// Takes the counters of rules as they are after our SYNs.
    pub(super) fn after(&mut self, rules: &[Rule]) {
        for rule in rules {
            let known = self.counters.iter_mut().find(|reading| reading.is_of(rule));
            if let (Some(reading), Some((after, _))) = (known, rule.counter()) {
                reading.after = Some(after);
            }
        }
    }

    /// Says whether some counter grew by at least our SYNs.
    pub(super) fn counted(&self) -> bool {
        let mut grown = self.counters.iter().filter_map(Reading::grown);
        grown.any(|grown| grown >= u64::from(self.shots))
    }

    /// Growth of a counter that counts exactly the packets that meet the rule's fate; `None` without
    /// such a counter or while nothing was read twice.
    pub(super) fn growth(&self, place: &Place<'_>) -> Option<u64> {
        self.of(place).filter(|reading| reading.exact)?.grown()
    }

    fn of(&self, place: &Place<'_>) -> Option<&Reading> {
        let rule = place.rule?;
        self.counters.iter().find(|reading| reading.is_of(rule))
    }

    /// Growth of a counter that counts exactly the packets that meet the rule's fate.
    fn proof(&self, place: &Place<'_>) -> Option<u64> {
        self.growth(place).filter(|_| self.shots > 0)
    }
}

impl Reading {
    fn is_of(&self, rule: &Rule) -> bool {
        self.handle == rule.handle
            && self.family == rule.family
            && (&self.table, &self.chain) == (&rule.table, &rule.chain)
    }

    /// `None` also when the counter was reset meanwhile.
    fn grown(&self) -> Option<u64> {
        self.after?.checked_sub(self.before)
    }
}

/// Lists the chains whose counters can tell who decides.
pub(super) fn witnesses(decision: &Decision<'_>) -> Vec<(Family, String, String)> {
    let mut chains = Vec::new();
    for place in suspects(decision) {
        let counts = place.rule.and_then(Rule::counter).is_some_and(|(_, exact)| exact);
        let Chain { family, table, name, .. } = place.chain;
        let chain = (*family, table.clone(), name.clone());
        if counts && !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    chains
}

/// Lists what may end the packet, in the order of its way.
pub(super) fn suspects<'d, 'a>(decision: &'d Decision<'a>) -> impl Iterator<Item = &'d Place<'a>> {
    let doubts = decision.doubts.iter().filter(|doubt| doubt.drops);
    doubts.map(|doubt| &doubt.place).chain(&decision.ends)
}

/// Says what was seen.
///
/// 1. A counter that grew by our SYNs names the rule, whatever could not be evaluated.
/// 2. A rule whose counter did not move did not decide.
/// 3. A rule that may end the packet and is still in question leaves the outcome undecided.
/// 4. A sure end behind rules that may accept counts, unless its own counter did not move.
pub(super) fn conclude(
    rules: &Ruleset,
    decision: &Decision<'_>,
    readings: &Readings,
    legacy_tables: Option<bool>,
) -> FirewallSeen {
    let shots = u64::from(readings.shots);
    let proven = suspects(decision).find(|place| {
        let proof = readings.proof(place);
        proof.is_some_and(|grown| grown >= shots)
    });
    let open: Vec<_> = (decision.doubts.iter())
        .filter(|doubt| readings.proof(&doubt.place) != Some(0))
        .filter(|doubt| !proven.is_some_and(|place| same(place, &doubt.place)))
        .collect();
    let counted = match (proven, &decision.ends) {
        (Some(_), _) => Some(true),
        (None, Some(end)) => readings.proof(end).map(|_| false),
        (None, None) => None,
    };
    let undecided = decision.gave_up
        || open.iter().any(|doubt| doubt.drops)
        || counted == Some(false) && !open.is_empty();
    let place = match (proven, &decision.ends) {
        (Some(place), _) => Some(place),
        (None, Some(end)) if !undecided => Some(end),
        _ => None,
    };
    let outcome = match place {
        Some(place) if place.rejects => FirewallOutcome::Rejects,
        Some(_) => FirewallOutcome::Drops,
        None if undecided => FirewallOutcome::Undecided,
        None if decision.any_rules => FirewallOutcome::Accepts,
        None => FirewallOutcome::NoRules,
    };
    let mut not_evaluated: Vec<String> =
        (open.iter()).map(|doubt| located(rules, &doubt.place)).collect();
    if decision.gave_up {
        not_evaluated.push("too many rules".to_owned());
    }
    let rule = place.map(|place| deciding_rule(rules, place, readings));
    FirewallSeen {
        owner: owner(rules, place),
        diverted: None,
        outcome,
        rule,
        counted,
        shots: readings.shots,
        partial: None,
        partial_family: None,
        partial_address: None,
        not_evaluated,
        legacy_tables,
    }
}

pub(super) fn same(a: &Place<'_>, b: &Place<'_>) -> bool {
    match (a.rule, b.rule) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        _ => false,
    }
}

pub(super) fn deciding_rule(
    rules: &Ruleset,
    place: &Place<'_>,
    readings: &Readings,
) -> DecidingRule {
    let reading = readings.of(place);
    DecidingRule {
        family: place.chain.family.name().to_owned(),
        table: place.chain.table.clone(),
        chain: place.chain.name.clone(),
        hook: place.hook.name().to_owned(),
        handle: place.rule.map(|rule| rule.handle),
        text: text(rules, place),
        told: told(rules, place),
        comment: place.rule.and_then(Rule::author_comment),
        packets_before: reading.map(|reading| reading.before),
        packets_grown: reading.and_then(Reading::grown),
    }
}

pub(super) fn text(rules: &Ruleset, place: &Place<'_>) -> String {
    match place.rule {
        Some(rule) => rule_text(rules, rule),
        None => "policy drop".to_owned(),
    }
}

/// Where a rule or policy stands and what it says.
fn told(rules: &Ruleset, place: &Place<'_>) -> String {
    let chain = place.chain;
    let within = format!("table {} {}, chain {}", chain.family.name(), chain.table, chain.name);
    match place.rule {
        // iptables counts the rules of a chain, nft gives each a handle.
        Some(rule) => {
            let number = if chain.table.ends_with(SUFFIX) { "rule" } else { "handle" };
            format!("{number} {} in {within}: {}", rule.handle, rule_text(rules, rule))
        }
        None => format!("the policy of {within}: drop"),
    }
}

pub(super) fn located(rules: &Ruleset, place: &Place<'_>) -> String {
    let chain = place.chain;
    let text = text(rules, place);
    format!("{} {} {}: {text}", chain.family.name(), chain.table, chain.name)
}

/// Who manages the rules: by the deciding rule when there is one, else by any name that shows.
pub(super) fn owner(rules: &Ruleset, place: Option<&Place<'_>>) -> Option<String> {
    let of_table = |table: &str| (table == "firewalld").then_some("firewalld");
    let of_chain = |chain: &str| match chain {
        chain if chain.starts_with("ufw-") || chain.starts_with("ufw6-") => Some("ufw"),
        chain if chain.starts_with("KUBE-") || chain.starts_with("cali-") => Some("kubernetes"),
        chain if chain.starts_with("DOCKER") => Some("docker"),
        _ => None,
    };
    let found = match place {
        Some(place) => {
            let chain = place.chain;
            let own = of_table(&chain.table).or_else(|| of_chain(&chain.name));
            // The chains that iptables cannot do without.
            let legacy = chain.table.ends_with(SUFFIX).then_some("iptables-legacy");
            let iptables = matches!(chain.family, Family::Ip | Family::Ip6)
                && ["filter", "mangle", "raw", "nat", "security"].contains(&chain.table.as_str())
                && rules.chains.iter().any(|other| {
                    (other.family, &other.table) == (chain.family, &chain.table)
                        && other.base.is_some()
                        && other.name == other.name.to_ascii_uppercase()
                });
            // ufw leaves the policy to the built-in chain that calls its own.
            let ufw = rules.chains.iter().any(|other| {
                other.family == chain.family
                    && other.table == chain.table
                    && of_chain(&other.name) == Some("ufw")
            });
            own.or((place.rule.is_none() && ufw).then_some("ufw"))
                .or(legacy)
                .or(iptables.then_some("iptables"))
        }
        None => {
            let chains = || rules.chains.iter();
            let named = |owner| chains().any(|chain| of_chain(&chain.name) == Some(owner));
            (chains().find_map(|chain| of_table(&chain.table)))
                .or(["ufw", "kubernetes", "docker"].into_iter().find(|owner| named(owner)))
        }
    };
    found.map(str::to_owned)
}
