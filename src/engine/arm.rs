//! The ways out of a step: what a walk can take there, in one fixed order.

use crate::model::rehearsal::{ArmCovered, ArmKind};
use crate::runbook::{Branch, Kind, Next, Note, Runbook, Step};

/// A way out of a step, or a finding.
pub(super) enum Arm<'a> {
    Branch(&'a Branch),
    Unknown(&'a Branch),
    Choice(&'a str, &'a Branch),
    NoInput(&'a Branch),
    Note(&'a Note),
}

impl<'a> Arm<'a> {
    fn branch(&self) -> Option<&'a Branch> {
        match self {
            Arm::Branch(branch)
            | Arm::Unknown(branch)
            | Arm::Choice(_, branch)
            | Arm::NoInput(branch) => Some(branch),
            Arm::Note(_) => None,
        }
    }

    pub(super) fn is_branch(&self, other: &Branch) -> bool {
        self.branch().is_some_and(|branch| std::ptr::eq(branch, other))
    }

    pub(super) fn is_note(&self, other: &Note) -> bool {
        matches!(self, Arm::Note(note) if std::ptr::eq(*note, other))
    }

    /// Says when it is taken.
    pub(super) fn when(&self) -> String {
        let source = |branch: &Branch| branch.when.as_ref().map(|when| when.source().to_owned());
        match self {
            Arm::Branch(branch) => source(branch).unwrap_or_else(|| "else".to_owned()),
            Arm::Unknown(_) => "unknown".to_owned(),
            Arm::Choice(choice, _) => (*choice).to_owned(),
            Arm::NoInput(_) => "no_input".to_owned(),
            Arm::Note(note) => note.when.source().to_owned(),
        }
    }

    pub(super) fn covered(&self, runbook: &Runbook, step: &Step) -> ArmCovered {
        let (kind, to) = match self.branch().map(|branch| &branch.next) {
            Some(Next::Goto(to)) => (ArmKind::Branch, runbook.steps[*to].id.as_str()),
            Some(Next::Healthy) => (ArmKind::Branch, "healthy"),
            Some(Next::Inconclusive) => (ArmKind::Branch, "inconclusive"),
            Some(Next::AsUsed) => (ArmKind::Branch, "as_used"),
            Some(Next::Conclude(conclusion)) => (ArmKind::Conclusion, conclusion.id.as_str()),
            None => match self {
                Arm::Note(note) => (ArmKind::Finding, note.conclusion.id.as_str()),
                _ => (ArmKind::Branch, ""),
            },
        };
        ArmCovered { step: step.id.clone(), kind, when: self.when(), to: to.to_owned(), hits: 0 }
    }
}

/// Lists a step's findings and ways out, in one fixed order.
pub(super) fn arms(step: &Step) -> Vec<Arm<'_>> {
    let mut arms: Vec<Arm<'_>> = step.findings.iter().map(Arm::Note).collect();
    arms.extend(step.branches.iter().map(Arm::Branch));
    if let Kind::Ask { choices, no_input, .. } = &step.kind {
        arms.extend(choices.iter().map(|(choice, branch)| Arm::Choice(choice, branch)));
        arms.push(Arm::NoInput(no_input));
    }
    arms.extend(step.unknown.iter().map(Arm::Unknown));
    arms
}

/// Finds the place of one of a step's arms among all of the runbook's.
pub(super) fn place(
    runbook: &Runbook,
    step: &Step,
    is: impl Fn(&Arm<'_>) -> bool,
) -> Option<usize> {
    let before = runbook.steps.iter().take_while(|other| !std::ptr::eq(*other, step));
    let before: usize = before.map(|step| arms(step).len()).sum();
    arms(step).iter().position(is).map(|at| before + at)
}
