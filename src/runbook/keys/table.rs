//! The table of keys.

use super::{Group, Key, Shape, Words};

/// The layers, as in [`crate::model::layer::Layer`], with what belongs there.
pub(super) const LAYERS: [(&str, &str); 11] = [
    ("vantage", "What this machine lets us look at."),
    ("link", "Interfaces, carrier, and the neighbour of the next hop."),
    ("dns", "Names to addresses."),
    ("route", "The kernel's own route decision."),
    ("host", "Whether the host is alive at all."),
    ("transport", "TCP itself: handshake, refusals, resets."),
    ("path", "What lies between: hops, filters, MTU."),
    ("firewall", "This machine's packet filter."),
    ("socket", "This machine's sockets and their owners."),
    ("kernel", "This machine's kernel limits and tables."),
    ("application", "What speaks on top of TCP."),
];

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, doc, shape, needed: false }
}

const fn need(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, doc, shape, needed: true }
}

const TITLE: Key = key(
    "title",
    Shape::Template,
    "What the step asks, as the report shows it. May have {{ expressions }}; a probe or use step needs one.",
);
const NEED_TITLE: Key = need(TITLE.name, TITLE.shape, TITLE.doc);
const LAYER: Key = key(
    "layer",
    Shape::Words(Words::Layer),
    "The layer that the step looks at. Reports are grouped by it.",
);
const NEED_LAYER: Key = need(LAYER.name, LAYER.shape, LAYER.doc);
const BY_HAND: Key = key(
    "by_hand",
    Shape::Template,
    "The classic command for checking this step by hand. Only shown, never run; what the network supplied stays one word in it.",
);
const ASK: Key = need(
    "ask",
    Shape::Template,
    "A question to the user at the terminal. Later expressions see the answer as STEP.answer.",
);
const WHY: Key = key(
    "why",
    Shape::Template,
    "Why the answer matters, in a sentence that is shown with the question.",
);
const NO_INPUT: Key = need(
    "no_input",
    Shape::Arm,
    "Where to go when nobody can be asked: in a pipeline, or with --no-input.",
);
const FINDINGS: Key = key(
    "findings",
    Shape::List(&Shape::Group("finding")),
    "Diagnoses noted on the way. Each is noted when its condition is true, on its own, before the branches; none ends the walk.",
);
const BRANCHES: Key = need(
    "branches",
    Shape::List(&Shape::Group("branch")),
    "The ways out, tried in order. The first whose `when` is true is taken; the last is `else`, unless the conditions name every word of an outcome.",
);
const UNKNOWN: Key = key(
    "unknown",
    Shape::Arm,
    "Where to go when the step could not look, or a condition is unknown before one is true. Without it the walk ends inconclusive there.",
);
const DISABLE: Key = key(
    "disable",
    Shape::End,
    "Turns the step off: the walk goes on at the step named here. For steps of a runbook that this one extends.",
);
const WITH_ARGS: Key = key(
    "with",
    Shape::Values,
    "The arguments by name. `\"{{ expression }}\"` keeps its type; `tcpdoctor explain PROBE` lists them.",
);

const WITH: Key = key("with", Shape::Values, "The values that the diagnosis' texts need, by name.");
const AT: Key = key(
    "at",
    Shape::Group("at"),
    "Where the fault is, when the diagnosis' own place is not exact enough.",
);
const CONFIDENCE: Key = key(
    "confidence",
    Shape::Words(Words::Confidence),
    "How sure it is: possible, likely, confirmed, or an expression that gives one of them.",
);
const SEVERITY: Key = key(
    "severity",
    Shape::Words(Words::Severity),
    "How bad it is here, when not as bad as the diagnosis itself says.",
);
const EVIDENCE: Key = key(
    "evidence",
    Shape::List(&Shape::Step),
    "The steps that the report cites. By default those that warned or failed, and this one.",
);
const NOT: Key =
    key("not", Shape::List(&Shape::Text), "Look-alikes of the diagnosis that do not apply here.");

const GOTO: Key = key(
    "goto",
    Shape::End,
    "The step to go to, or an end: healthy, inconclusive; in a use step also as_used, the end that the used runbook came to.",
);
const CONCLUDE: Key = key(
    "conclude",
    Shape::Diagnosis,
    "The diagnosis that this way ends in: of the catalogue, or one of your own that begins with x-.",
);
const STATUS: Key = key(
    "status",
    Shape::Words(Words::Status),
    "How the step counts when this way is taken. By default fail for a critical diagnosis, warn for a lesser one, unknown in the `unknown` arm, else pass.",
);
const TEXT: Key = key(
    "text",
    Shape::Template,
    "What was seen, in one line, for the report. By default the probe's own words.",
);
const RULES_OUT: Key = key(
    "rules_out",
    Shape::Map(&Shape::Template),
    "Diagnoses that this way excludes, each with the reason.",
);

/// The groups of keys.
pub const GROUPS: &[Group] = &[
    Group {
        id: "runbook",
        what: "a runbook",
        keys: &[
            need(
                "format",
                Shape::Format,
                "The version of the language, 1. The first key of every file.",
            ),
            key(
                "name",
                Shape::Name,
                "The runbook's name, that of its file without .yaml. What --runbook and `use` look for.",
            ),
            key(
                "title",
                Shape::Text,
                "The question that the runbook answers, in one line. `runbook list` shows it.",
            ),
            key("about", Shape::Text, "What the runbook does, in a few sentences."),
            key(
                "extends",
                Shape::Text,
                "Another runbook, by name or path, of which this one changes parts. Steps of the same id replace or change its steps, others are added; what nothing leads to any more is left out.",
            ),
            key(
                "include",
                Shape::List(&Shape::Text),
                "Files with diagnoses (`format: 1`, `diagnoses:`) in this file's folder or below. Their diagnoses can be concluded here.",
            ),
            key(
                "contacts",
                Shape::List(&Shape::Text),
                "Machines besides the target that the runbook sends to, as host or host:port. The user allows each with --allow-target.",
            ),
            key(
                "params",
                Shape::Map(&Shape::Group("param")),
                "What a user may set with --param NAME=VALUE. Expressions see them as params.NAME.",
            ),
            key("start", Shape::Step, "The step to begin with."),
            key(
                "steps",
                Shape::Map(&Shape::AnyStep),
                "The steps by id: small letters, digits, underscores. Expressions see what a step saw under its id.",
            ),
            key(
                "diagnoses",
                Shape::Map(&Shape::Group("diagnosis")),
                "Diagnoses of your own. Their ids begin with x-, as in x-db.failover_running.",
            ),
        ],
    },
    Group {
        id: "param",
        what: "a parameter",
        keys: &[
            need(
                "type",
                Shape::Words(Words::ParamType),
                "The parameter's type: int, float, bool, text, or word (one of `values`).",
            ),
            key(
                "default",
                Shape::Scalar,
                "The value when the user gives none. Without it the parameter must be given.",
            ),
            key("min", Shape::Number, "The smallest number allowed."),
            key("max", Shape::Number, "The largest number allowed."),
            key("values", Shape::List(&Shape::Text), "The words allowed, for `type: word`."),
            key("help", Shape::Text, "What the parameter means, with its unit."),
        ],
    },
    Group {
        id: "probe_step",
        what: "a probe step",
        keys: &[
            NEED_TITLE,
            NEED_LAYER,
            need(
                "probe",
                Shape::Probe,
                "The probe to run. `tcpdoctor probe` lists them; what it sees is `result` in this step and has the step's id in later ones.",
            ),
            WITH_ARGS,
            BY_HAND,
            key(
                "meanwhile",
                Shape::OneOrMore(&Shape::Group("meanwhile")),
                "Later probe steps to start while this one is still waiting. They save time only; the walk sees their results when it comes to them.",
            ),
            FINDINGS,
            BRANCHES,
            UNKNOWN,
            DISABLE,
        ],
    },
    Group {
        id: "ask_step",
        what: "an ask step",
        keys: &[
            TITLE,
            LAYER,
            ASK,
            WHY,
            BY_HAND,
            need(
                "choices",
                Shape::Map(&Shape::Arm),
                "The answers, and where each leads. \"I don't know\" can always be chosen and leads to `no_input`.",
            ),
            key(
                "default",
                Shape::Text,
                "The choice that is offered first; without one, that is \"I don't know\".",
            ),
            NO_INPUT,
            DISABLE,
        ],
    },
    Group {
        id: "ask_report_step",
        what: "an ask step",
        keys: &[
            TITLE,
            LAYER,
            ASK,
            WHY,
            BY_HAND,
            need(
                "expects",
                Shape::Words(Words::Expects),
                "What is asked for instead of a choice: server_report, the report of tcpdoctor's own run on the server. `result` is what it says.",
            ),
            FINDINGS,
            BRANCHES,
            NO_INPUT,
            DISABLE,
        ],
    },
    Group {
        id: "decide_step",
        what: "a decide step",
        keys: &[
            TITLE,
            LAYER,
            need(
                "decide",
                Shape::True,
                "A step that looks at nothing, and only branches on what is known already. Always `true`.",
            ),
            BY_HAND,
            FINDINGS,
            BRANCHES,
            UNKNOWN,
            DISABLE,
        ],
    },
    Group {
        id: "use_step",
        what: "a use step",
        keys: &[
            NEED_TITLE,
            NEED_LAYER,
            need(
                "use",
                Shape::Text,
                "Another runbook to walk here, by name or path. `result` is its verdict, its diagnosis id, and what its steps saw (result.steps.ID).",
            ),
            key("with", Shape::Values, "The other runbook's parameters by name."),
            BY_HAND,
            FINDINGS,
            BRANCHES,
            UNKNOWN,
            DISABLE,
        ],
    },
    Group {
        id: "add",
        what: "`add`",
        keys: &[
            key(
                "branches",
                Shape::List(&Shape::Group("branch")),
                "Branches that are tried before the step's own.",
            ),
            key(
                "findings",
                Shape::List(&Shape::Group("finding")),
                "Findings behind the step's own.",
            ),
        ],
    },
    Group {
        id: "meanwhile",
        what: "`meanwhile`",
        keys: &[
            need(
                "after",
                Shape::Duration,
                "How long this step must have been waiting, as in 300ms or 1.5s. 0ms starts them at once.",
            ),
            need(
                "start",
                Shape::List(&Shape::Step),
                "The probe steps to start early. Their arguments must be known by then.",
            ),
        ],
    },
    Group {
        id: "branch",
        what: "a branch",
        keys: &[
            key(
                "when",
                Shape::Condition,
                "The condition under which this way is taken. Null, and steps that did not run or could not look, make it unknown.",
            ),
            key(
                "else",
                Shape::Arm,
                "Where to go when no condition before was true. The last branch.",
            ),
            GOTO,
            CONCLUDE,
            STATUS,
            TEXT,
            RULES_OUT,
            WITH,
            AT,
            CONFIDENCE,
            SEVERITY,
            EVIDENCE,
            NOT,
        ],
    },
    Group {
        id: "arm",
        what: "`else`",
        keys: &[
            GOTO, CONCLUDE, STATUS, TEXT, RULES_OUT, WITH, AT, CONFIDENCE, SEVERITY, EVIDENCE, NOT,
        ],
    },
    Group {
        id: "finding",
        what: "a finding",
        keys: &[
            need(
                "when",
                Shape::Condition,
                "The condition under which it is noted. An unknown one notes nothing.",
            ),
            need("note", Shape::Diagnosis, "The diagnosis to be noted."),
            WITH,
            AT,
            CONFIDENCE,
            SEVERITY,
            EVIDENCE,
            NOT,
        ],
    },
    Group {
        id: "at",
        what: "`at`",
        keys: &[
            key(
                "kind",
                Shape::Words(Words::Place),
                "The kind of place: here, path, hop, target or resolver.",
            ),
            key("hop", Shape::Int, "The hop's number, a number or one expression."),
            key(
                "address",
                Shape::Text,
                "The address, most often as one expression: \"{{ result.address }}\".",
            ),
        ],
    },
    Group {
        id: "diagnosis",
        what: "a diagnosis",
        keys: &[
            need("layer", Shape::Words(Words::Layer), "The layer that is at fault."),
            need(
                "severity",
                Shape::Words(Words::Severity),
                "How bad it is: info, warning or critical.",
            ),
            key(
                "confidence",
                Shape::Words(Words::Confidence),
                "How sure it is, when the branch says nothing else; likely by default.",
            ),
            need(
                "location",
                Shape::Words(Words::Place),
                "Where the fault is: here, path, hop, target or resolver.",
            ),
            need("title", Shape::Template, "A short name for people."),
            need(
                "summary",
                Shape::Template,
                "One sentence with the real names and numbers. Its {{ names }} are those under `needs` and `optional`, and `target`.",
            ),
            key("meaning", Shape::Text, "What it means, for `tcpdoctor explain`."),
            key(
                "needs",
                Shape::List(&Shape::Text),
                "The names whose values every branch that concludes it gives under `with`.",
            ),
            key(
                "optional",
                Shape::List(&Shape::Text),
                "The names whose values a branch that concludes it may give under `with`; null where it does not.",
            ),
            key(
                "remedies",
                Shape::List(&Shape::Group("remedy")),
                "What to do, the likeliest first.",
            ),
            key(
                "lookalikes",
                Shape::Map(&Shape::Template),
                "What else looks like it: diagnosis ids, each with the cheapest test that separates the two.",
            ),
        ],
    },
    Group {
        id: "remedy",
        what: "a remedy",
        keys: &[
            key(
                "when",
                Shape::Condition,
                "Under which condition it is told, over the same names as the texts. An unknown one leaves it out.",
            ),
            need("text", Shape::Template, "What to do, one sentence."),
            key("command", Shape::Template, "The command for it. Only shown, never run."),
            need(
                "where",
                Shape::Words(Words::RemedyPlace),
                "Where to do it: here, target or network.",
            ),
        ],
    },
    Group {
        id: "catalogue",
        what: "a catalogue file",
        keys: &[
            need(
                "format",
                Shape::Format,
                "The version of the language, 1. The first key of every file.",
            ),
            need(
                "diagnoses",
                Shape::Map(&Shape::Group("diagnosis")),
                "Diagnoses that runbooks include or that are built in.",
            ),
        ],
    },
];
