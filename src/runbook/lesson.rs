//! What each code means at length, with an example that is wrong and one that is right.
//!
//! A test puts every example into a small runbook and lints it: the wrong one has this problem, the
//! right one none at all.

mod advice;
mod errors;

use super::code::Code;

/// What `explain` says about a code.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// The code.
    pub code: Code,
    /// Why it matters and what to do, a few sentences.
    pub why: &'static str,
    /// Where in a runbook the examples stand.
    pub place: Place,
    /// An example with this problem.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
}

/// Where an example stands in a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is a whole file.
    File,
    /// Keys of the file beside its steps.
    Head,
    /// The steps; the first is `resolve`.
    Steps,
    /// The keys of a step.
    Step,
    /// The branches of a step that runs the probe `dns`.
    Branches,
    /// It is a targets file, and in no runbook.
    Targets,
}

impl Lesson {
    /// Finds the lesson of a code; a test holds that every code has one.
    pub fn of(code: Code) -> Option<&'static Lesson> {
        Lesson::all().find(|lesson| lesson.code == code)
    }

    /// Returns every lesson, in the codes' order.
    pub fn all() -> impl Iterator<Item = &'static Lesson> {
        errors::LESSONS.iter().chain(advice::LESSONS)
    }
}

impl Place {
    /// Puts an example into a runbook that has nothing else to complain about.
    pub fn runbook(self, example: &str) -> String {
        const NAMED: &str = "format: 1\nname: example\ntitle: Does the name resolve?\n";
        const DNS: &str = "    title: Resolve {{ target.host }}\n    layer: dns\n    probe: dns\n    \
                           with: {name: \"{{ target.host }}\"}\n    by_hand: dig +short {{ \
                           target.host }}\n";
        const WAYS: &str = "      - when: result.outcome == \"resolved\"\n        goto: healthy\n      \
                            - else: inconclusive\n";
        let tail = "    unknown: inconclusive\n";
        match self {
            Place::File | Place::Targets => example.to_owned(),
            Place::Head => format!(
                "{NAMED}{example}\nstart: resolve\nsteps:\n  resolve:\n{DNS}    branches:\n{WAYS}{tail}"
            ),
            Place::Steps => {
                format!("{NAMED}start: resolve\nsteps:\n{}", indented(example, 2))
            }
            Place::Step => {
                format!("{NAMED}start: resolve\nsteps:\n  resolve:\n{}", indented(example, 4))
            }
            Place::Branches => {
                let branches = indented(example, 6);
                format!(
                    "{NAMED}start: resolve\nsteps:\n  resolve:\n{DNS}    branches:\n{branches}{tail}"
                )
            }
        }
    }
}

fn indented(text: &str, by: usize) -> String {
    let blanks = " ".repeat(by);
    let lines = text.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("{blanks}{line}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_lesson_in_the_codes_order() {
        let codes: Vec<Code> = Code::ALL.iter().map(|(code, _)| *code).collect();
        let taught: Vec<Code> = Lesson::all().map(|lesson| lesson.code).collect();
        assert_eq!(taught, codes);
    }
}
