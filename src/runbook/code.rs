//! The stable codes of problems in runbooks and catalogue files. Append only.
//!
//! From 101 on it is advice: the file can be used. What each means at length, with an example, stands
//! in `lesson`.

use crate::model::lint::Level;

/// The code of a kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

macro_rules! codes {
    ($($number:literal $name:ident $doc:literal)*) => {
        impl Code {
            $(#[doc = $doc] pub const $name: Code = Code($number);)*

            /// Every code with what it means.
            pub const ALL: &[(Code, &str)] = &[$((Code($number), $doc)),*];
        }
    };
}

codes! {
    1 YAML "The text is not valid YAML."
    2 BOUNDS "The file is too large, too deep or expands to too much."
    3 DUPLICATE_KEY "A key is written twice."
    4 UNKNOWN_KEY "A key that the format does not have."
    5 MISSING_KEY "A key is missing."
    6 WRONG_TYPE "A value has the wrong type."
    7 UNKNOWN_WORD "A word that is none of those allowed here."
    8 FORMAT "The format's number is missing or unknown."
    9 BAD_NAME "A name is not written as names are."
    10 UNKNOWN_STEP "A step that does not exist."
    11 UNKNOWN_PROBE "A probe that does not exist."
    12 ARGUMENT "An argument that the probe or runbook does not take, or one that it needs."
    13 ARGUMENT_TYPE "An argument of the wrong type."
    14 UNKNOWN_NAME "A name in an expression that means nothing there."
    15 UNKNOWN_FIELD "A field that the record does not have."
    16 EXPRESSION "An expression or a text hole cannot be read."
    17 EXPRESSION_TYPE "Types in an expression do not fit."
    18 VOCABULARY "A literal that is never the value it is compared with."
    19 EXPRESSION_SIZE "An expression is too large."
    20 UNKNOWN_FUNCTION "A function that does not exist."
    21 UNKNOWN_DIAGNOSIS "A diagnosis that the catalogue does not have."
    22 NEEDS "The values given to a diagnosis are not those that its texts need."
    23 PARAM "A parameter's default, bounds or type do not fit together."
    24 NO_ELSE "A step's branches do not cover every case."
    25 NO_UNKNOWN "A condition may be unknown and no arm says what to do then."
    26 CYCLE "Steps lead back to themselves."
    27 UNREACHABLE "A step is never reached."
    28 AFTER_ELSE "A branch is never tried: one before it always applies."
    29 KINDS "A step is of no kind, or of several."
    30 LEADS "A branch leads nowhere, or to several places."
    31 USE "A used runbook cannot be loaded, or uses this one."
    32 UNKNOWN_RUNBOOK "A runbook that does not exist."
    33 DIAGNOSIS "An entry of the catalogue contradicts itself or another."
    34 EXTENDS "A runbook that cannot be extended, or a change that does not fit to it."
    35 INCLUDE "A file that cannot be included."
    36 CONTACT "A machine other than the target, which the runbook does not declare."
    60 TARGETS "A target of a targets file cannot be used."
    61 ENVIRONMENT "An environment variable of a targets file is not declared, or not set."
    62 EXPECTATION "An expectation that cannot be met or says nothing."

    101 NEVER_TRUE "A condition that contradicts itself: its branch is never taken."
    102 TAKEN_BEFORE "A condition whose every case an earlier branch takes."
    103 ONLY_ELSE "Outcomes that only `else` handles, beside branches that name the others."
    104 NO_UNKNOWN_ARM "A step that may be unable to look, without an `unknown:` arm."
    105 TEXT_UNKNOWN "A text that speaks of a step which may not have run."
    106 ARGUMENT_UNKNOWN "An argument from a step that may not have run: the probe cannot start then."
    107 UNUSED_PARAM "A parameter that nothing uses."
    108 UNUSED_DIAGNOSIS "A diagnosis that nothing concludes."
    109 NO_BY_HAND "A probe step without the command for doing it by hand."
    110 NO_REMEDY "A diagnosis that says nothing that could be done."
    111 EARLY_START "A step that is to start early and never can, or whose result is not waited for."
    112 EVIDENCE "A step cited as evidence that cannot have run."
    113 UNUSED_VALUE "A value that a diagnosis needs and none of its texts uses."
    114 DEPRECATED "An old name that will go away."
    115 FILE_NAME "A runbook whose name is not that of its file."
    116 ONE_BRACE "A text with { } where {{ }} is meant."
    117 NEVER_UNKNOWN "An `unknown:` arm that is never taken."
    118 NEVER_NULL "A test for null of what is never null."
    119 UNKNOWN_LOOKALIKE "A look-alike that no catalogue describes."
    120 RUNS_LATER "An expression that speaks of a step which never runs before."
}

impl Code {
    /// Returns the code as written in messages, for example `TD001`.
    pub fn name(self) -> String {
        format!("TD{:03}", self.0)
    }

    /// Finds a code by its name, in letters of either case.
    pub fn find(name: &str) -> Option<Code> {
        let known = Code::ALL.iter().map(|(code, _)| *code);
        known.into_iter().find(|code| code.name().eq_ignore_ascii_case(name))
    }

    /// Returns what it means, one sentence.
    pub fn meaning(self) -> &'static str {
        let known = Code::ALL.iter().find(|(code, _)| *code == self);
        known.map_or("", |(_, meaning)| meaning)
    }

    /// Returns how bad a problem of this code is.
    pub fn level(self) -> Level {
        match self {
            Code::ONLY_ELSE
            | Code::NO_BY_HAND
            | Code::NO_REMEDY
            | Code::NEVER_UNKNOWN
            | Code::NEVER_NULL => Level::Note,
            Code(101..) => Level::Warning,
            Code(_) => Level::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise_and_are_found_by_name() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, meaning) in Code::ALL {
            assert_eq!(Code::find(&code.name().to_lowercase()), Some(*code));
            assert!(meaning.ends_with('.') && code.meaning() == *meaning, "{meaning}");
        }
        assert_eq!(Code::find("TD000"), None);
        assert_eq!(
            (Code::YAML.level(), Code::NO_UNKNOWN_ARM.level()),
            (Level::Error, Level::Warning)
        );
    }
}
