//! Does one rule match the packet, and what does it say then?

use super::lookup::look_up;
use super::standing::Standing;
use super::value::{Compared, Registers, Slot, Tri, slots};
use crate::wire::nft::{CmpOp, Expr, Rule, Ruleset, Verdict};

/// What a rule says of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Accept,
    Drop,
    Reject,
    /// The destination is another from here on: another port, or another machine.
    Divert,
    /// Something that this program cannot follow: a queue, an unknown target.
    Unknown,
    Next,
    Jump(String),
    Goto(String),
    Return,
}

/// A rule that matches, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fires {
    /// Whether it surely matches, with one fate.
    pub(super) certain: bool,
    /// Its possible fates.
    pub(super) fates: Vec<Fate>,
}

/// What one expression does to its rule.
pub(super) enum Step {
    Goes(Tri),
    Ends(Vec<Fate>, Tri),
}

impl Standing {
    /// Evaluates a rule; `None` when it does not match. `sure` says whether the packet surely
    /// reaches it: what it changes is only then known afterwards.
    pub(super) fn fires(&mut self, rules: &Ruleset, rule: &Rule, sure: bool) -> Option<Fires> {
        let mut registers = Registers::new();
        let mut matches = Tri::Yes;
        for expr in &rule.exprs {
            let certain = sure && matches == Tri::Yes;
            match self.step(rules, rule, expr, &mut registers, certain) {
                Step::Goes(goes) => matches = matches.and(goes),
                Step::Ends(fates, goes) => {
                    matches = matches.and(goes);
                    let certain = matches == Tri::Yes && fates.len() == 1;
                    return (matches != Tri::No).then_some(Fires { certain, fates });
                }
            }
            if matches == Tri::No {
                return None;
            }
        }
        None
    }

    fn step(
        &mut self,
        rules: &Ruleset,
        rule: &Rule,
        expr: &Expr,
        registers: &mut Registers,
        certain: bool,
    ) -> Step {
        match expr {
            Expr::Load { dreg, source } => match self.load(*source) {
                Some(value) => {
                    registers.write(*dreg, &value);
                    Step::Goes(Tri::Yes)
                }
                None => Step::Goes(Tri::No),
            },
            Expr::Store { sreg, target } => {
                self.store(*target, registers.read(*sreg, 4).first().copied(), certain);
                Step::Goes(Tri::Yes)
            }
            Expr::Constant { dreg, data } => {
                registers.write(*dreg, &slots(data));
                Step::Goes(Tri::Yes)
            }
            Expr::Cmp { sreg, op, data } => {
                let value = registers.read(*sreg, data.len());
                Step::Goes(compare(*op, &value, data))
            }
            Expr::Range { sreg, inverted, from, to } => {
                let value = registers.read(*sreg, from.len().max(to.len()));
                let inside = Compared::new(&value, from).ge();
                let inside = inside.and(Compared::new(&value, to).le());
                Step::Goes(inside.xor(*inverted))
            }
            Expr::Bitwise { sreg, dreg, mask, xor } => {
                let value = registers.read(*sreg, mask.len());
                registers.write(*dreg, &masked(&value, mask, xor));
                Step::Goes(Tri::Yes)
            }
            Expr::ByteOrder { sreg, dreg, len, size } => {
                let value = registers.read(*sreg, *len as usize);
                let value: Vec<Slot> = value.iter().map(|slot| slot.swapped(*size)).collect();
                registers.write(*dreg, &value);
                Step::Goes(Tri::Yes)
            }
            Expr::Lookup { set, sreg, dreg, inverted } => {
                let found = rules.sets.iter().find(|candidate| {
                    candidate.family == rule.family
                        && candidate.table == rule.table
                        && candidate.name == *set
                });
                match found {
                    Some(set) => look_up(set, *sreg, *dreg, *inverted, registers),
                    None => Step::Goes(Tri::Maybe),
                }
            }
            Expr::Verdict(verdict) => ends(fate(verdict)),
            Expr::Reject(_) => ends(Fate::Reject),
            Expr::Nat { changes, .. } => ends(self.translated(*changes)),
            Expr::Notrack => {
                self.untracked = if certain { Tri::Yes } else { Tri::Maybe };
                Step::Goes(Tri::Yes)
            }
            Expr::Match(found) => Step::Goes(self.xt_match(found)),
            Expr::Target(target) => self.xt_target(target),
            Expr::Counter { .. } | Expr::Log { .. } | Expr::Passive(_) => Step::Goes(Tri::Yes),
            Expr::Limit { .. } => Step::Goes(Tri::Maybe),
            Expr::Opaque(name) => {
                // It may have written any register.
                *registers = Registers::new();
                match name.as_str() {
                    "queue" | "synproxy" | "fwd" | "tproxy" => ends(Fate::Unknown),
                    _ => Step::Goes(Tri::Maybe),
                }
            }
        }
    }
}

pub(super) fn ends(fate: Fate) -> Step {
    match fate {
        Fate::Next => Step::Goes(Tri::Yes),
        fate => Step::Ends(vec![fate], Tri::Yes),
    }
}

pub(super) fn fate(verdict: &Verdict) -> Fate {
    match verdict {
        Verdict::Accept => Fate::Accept,
        Verdict::Drop => Fate::Drop,
        Verdict::Queue | Verdict::Other(_) => Fate::Unknown,
        Verdict::Continue | Verdict::Break => Fate::Next,
        Verdict::Jump(chain) => Fate::Jump(chain.clone()),
        Verdict::Goto(chain) => Fate::Goto(chain.clone()),
        Verdict::Return => Fate::Return,
    }
}

fn compare(op: CmpOp, value: &[Slot], data: &[u8]) -> Tri {
    let compared = Compared::new(value, data);
    match op {
        CmpOp::Eq => compared.eq(),
        CmpOp::Neq => compared.eq().not(),
        CmpOp::Lt => compared.lt(),
        CmpOp::Lte => compared.le(),
        CmpOp::Gt => compared.gt(),
        CmpOp::Gte => compared.ge(),
    }
}

fn masked(value: &[Slot], mask: &[u8], xor: &[u8]) -> Vec<Slot> {
    let words = |bytes: &[u8]| -> Vec<u32> {
        let known = slots(bytes).into_iter().filter_map(Slot::known);
        known.collect()
    };
    let xor = words(xor);
    let pairs = value.iter().zip(words(mask)).enumerate();
    pairs.map(|(at, (slot, mask))| slot.masked(mask, xor.get(at).copied().unwrap_or(0))).collect()
}
