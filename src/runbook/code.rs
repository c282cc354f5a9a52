//! The stable codes of problems in runbooks and catalogue files. Append only.

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
    60 TARGETS "A target of a targets file cannot be used."
    61 ENVIRONMENT "An environment variable of a targets file is not declared, or not set."
    62 EXPECTATION "An expectation that cannot be met or says nothing."
}

impl Code {
    /// Returns the code as written in messages, for example `TD001`.
    pub fn name(self) -> String {
        format!("TD{:03}", self.0)
    }
}
