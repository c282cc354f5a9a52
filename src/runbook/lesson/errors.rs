//! The lessons of errors: files that cannot be used.

use super::{Lesson, Place};
use crate::runbook::code::Code;

pub(super) const LESSONS: &[Lesson] = &[
    Lesson {
        code: Code::YAML,
        why: "Runbooks are YAML 1.2 with a little less than YAML offers: one document, no tags, no \
              directives, no tabs in the indentation. Texts with a colon and a blank, or that begin \
              with {, [, *, & or a quote, are put in quotes. Everything behind this place is unread, \
              so mend it first.",
        place: Place::Head,
        bad: "about: DNS: does the name resolve?",
        good: "about: \"DNS: does the name resolve?\"",
    },
    Lesson {
        code: Code::BOUNDS,
        why: "A file is at most 2 MiB long, 24 levels deep and 200,000 values large once its aliases \
              are expanded, and has at most 2,000 steps, so that no file can use up memory or time. \
              Split a larger one into runbooks that `use` each other.",
        place: Place::Head,
        bad: "about: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        good: "about: Looks the name up.",
    },
    Lesson {
        code: Code::DUPLICATE_KEY,
        why: "Of two equal keys one would silently win. Steps, parameters, diagnoses and values in \
              lists are unique too.",
        place: Place::Head,
        bad: "about: Looks the name up.\nabout: Looks it up.",
        good: "about: Looks the name up.",
    },
    Lesson {
        code: Code::UNKNOWN_KEY,
        why: "A key that is not known would be ignored, and what it asks for would not happen. \
              `tcpdoctor explain KEY` says what a key means; `tcpdoctor runbook schema` lets an \
              editor complete them.",
        place: Place::Head,
        bad: "abuot: Looks the name up.",
        good: "about: Looks the name up.",
    },
    Lesson {
        code: Code::MISSING_KEY,
        why: "Without this key the mapping has no meaning, or a report would lack what people look \
              for first.",
        place: Place::Branches,
        bad: "- goto: healthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::WRONG_TYPE,
        why: "YAML types plain values: 42 is a number, true a truth value, yes a text. What must be \
              text is put in quotes when it looks like something else.",
        place: Place::Head,
        bad: "about: 42",
        good: "about: \"42\"",
    },
    Lesson {
        code: Code::UNKNOWN_WORD,
        why: "Here one of a few words is wanted: layers, severities, places, types.",
        place: Place::Step,
        bad: "title: Resolve {{ target.host }}\nlayer: network\nprobe: dns\nwith: {name: \"{{ \
              target.host }}\"}\nby_hand: dig {{ target.host }}\nbranches: [{else: \
              healthy}]\nunknown: inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\"}\nby_hand: dig {{ target.host }}\nbranches: [{else: \
               healthy}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::FORMAT,
        why: "The first key says which version of the language the file is written in, so that a \
              later program still reads it as it was meant.",
        place: Place::File,
        bad: "name: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: true\n    \
              branches: [{else: healthy}]",
        good: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
               true\n    branches: [{else: healthy}]",
    },
    Lesson {
        code: Code::BAD_NAME,
        why: "Names of steps and parameters stand in expressions, names of runbooks in paths: a small \
              letter, then small letters, digits and underscores (in runbooks' names hyphens too). \
              `target`, `params`, `result`, `healthy` and the like are taken. A diagnosis of your \
              own is named x-something.problem.",
        place: Place::Steps,
        bad: "resolve:\n  decide: true\n  branches: [{else: look-up}]\nlook-up:\n  decide: true\n  \
              branches: [{else: healthy}]",
        good: "resolve:\n  decide: true\n  branches: [{else: look_up}]\nlook_up:\n  decide: true\n  \
               branches: [{else: healthy}]",
    },
    Lesson {
        code: Code::UNKNOWN_STEP,
        why: "A branch, `start`, `meanwhile` or `evidence` names a step that the file does not have. \
              A diagnosis is concluded, not gone to.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"resolved\"\n  goto: helthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_PROBE,
        why: "`tcpdoctor probe` lists the probes.",
        place: Place::Step,
        bad: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dsn\nbranches: [{else: \
              healthy}]\nunknown: inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\"}\nby_hand: dig {{ target.host }}\nbranches: [{else: \
               healthy}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::ARGUMENT,
        why: "`tcpdoctor explain PROBE` lists what a probe takes and which of it is required.",
        place: Place::Step,
        bad: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {host: \"{{ target.host \
              }}\"}\nbranches: [{else: healthy}]\nunknown: inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\"}\nby_hand: dig {{ target.host }}\nbranches: [{else: \
               healthy}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::ARGUMENT_TYPE,
        why: "The value can never be what the argument wants. A text that is one whole {{ expression \
              }} keeps the expression's type.",
        place: Place::Step,
        bad: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ target.host \
              }}\", query_ms: 2s}\nbranches: [{else: healthy}]\nunknown: inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\", query_ms: 2000}\nby_hand: dig {{ target.host }}\nbranches: [{else: \
               healthy}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_NAME,
        why: "Expressions know `target`, `params`, every step by its id (what it saw), and in a \
              step's own findings and branches `result`.",
        place: Place::Branches,
        bad: "- when: outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_FIELD,
        why: "The probe sees no such thing. `tcpdoctor explain PROBE` lists its fields.",
        place: Place::Branches,
        bad: "- when: result.outcom == \"resolved\"\n  goto: healthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::EXPRESSION,
        why: "Expressions are CEL: == != < <= > >= && || ! in, a ? b : c, and functions such as \
              size(…), has(…) and list.exists(item, …).",
        place: Place::Branches,
        bad: "- when: result.outcome = \"resolved\"\n  goto: healthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::EXPRESSION_TYPE,
        why: "Numbers are compared with numbers, texts with texts; a condition is true or false; text \
              and a number are added with string(…).",
        place: Place::Branches,
        bad: "- when: result.v4\n  goto: healthy\n- else: inconclusive",
        good: "- when: result.v4 > 0\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::VOCABULARY,
        why: "The field takes one of a closed list of words, and this is none of them: the comparison \
              would never be true. `tcpdoctor explain PROBE.FIELD` lists the words.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"refuse\"\n  goto: inconclusive\n- else: healthy",
        good: "- when: result.outcome == \"refused\"\n  goto: inconclusive\n- else: healthy",
    },
    Lesson {
        code: Code::EXPRESSION_SIZE,
        why: "An expression has at most 4096 bytes, 200 operators, 32 levels of brackets and two \
              loops inside each other. Ask with `in [\"a\", \"b\"]` instead of many ||, or split the \
              question over several branches.",
        place: Place::Branches,
        bad: "- when: ((((((((((((((((((((((((((((((((((result.v4 > 0))))))))))))))))))))))))))))))))))\n  \
              goto: healthy\n- else: inconclusive",
        good: "- when: result.v4 > 0\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_FUNCTION,
        why: "The functions are size, contains, startsWith, endsWith, join, ms, plural, int, float, \
              string and has; over lists exists, all, exists_one, filter and map.",
        place: Place::Branches,
        bad: "- when: len(result.addresses) > 0\n  goto: healthy\n- else: inconclusive",
        good: "- when: size(result.addresses) > 0\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_DIAGNOSIS,
        why: "A branch concludes a diagnosis of the built-in catalogue (`tcpdoctor explain` lists \
              them) or one of your own, described under `diagnoses:`.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"resolved\"\n  rules_out: {dns.not_resolved: it has an \
              address}\n  goto: healthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  rules_out: {dns.name_not_resolved: it has an \
               address}\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::NEEDS,
        why: "The texts of a diagnosis have names in them; whoever concludes it gives their values \
              under `with:`, no more and no fewer.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"nxdomain\"\n  conclude: dns.name_not_resolved\n  with: \
              {name: \"{{ result.name }}\"}\n- else: healthy",
        good: "- when: result.outcome == \"nxdomain\"\n  conclude: dns.name_not_resolved\n  with: \
               {name: \"{{ result.name }}\", server: \"{{ result.live_server }}\"}\n- else: healthy",
    },
    Lesson {
        code: Code::PARAM,
        why: "A default has the parameter's type and lies within its bounds; only numbers have \
              bounds, only words have `values`.",
        place: Place::File,
        bad: "format: 1\nname: example\ntitle: An example\nparams:\n  tries: {type: int, default: \
              50, max: 20, help: How many}\nstart: end\nsteps:\n  end:\n    decide: true\n    \
              branches: [{when: params.tries > 5, goto: inconclusive}, {else: healthy}]",
        good: "format: 1\nname: example\ntitle: An example\nparams:\n  tries: {type: int, default: \
               5, max: 20, help: How many}\nstart: end\nsteps:\n  end:\n    decide: true\n    \
               branches: [{when: params.tries > 5, goto: inconclusive}, {else: healthy}]",
    },
    Lesson {
        code: Code::NO_ELSE,
        why: "Some outcome would lead nowhere. End the branches with `- else: …`, or name every word \
              of the outcome.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"resolved\"\n  goto: healthy",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::NO_UNKNOWN,
        why: "Null, a step that did not run and one that could not look make a condition unknown: \
              neither true nor false. Say with `unknown:` where to go then, or ask first whether it \
              is known: has(step.field) && …, field != null && ….",
        place: Place::Steps,
        bad: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \
              \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches:\n    - when: \
              result.getaddrinfo_ms > 500\n      goto: inconclusive\n    - else: healthy",
        good: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: \
               {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches:\n    - \
               when: result.getaddrinfo_ms > 500\n      goto: inconclusive\n    - else: healthy\n  \
               unknown: inconclusive",
    },
    Lesson {
        code: Code::CYCLE,
        why: "A runbook is a tree: every walk ends. To look again, give the probe more attempts or a \
              longer window, or write a second step.",
        place: Place::Steps,
        bad: "resolve:\n  decide: true\n  branches: [{else: look}]\nlook:\n  decide: true\n  branches: \
              [{else: resolve}]",
        good: "resolve:\n  decide: true\n  branches: [{else: look}]\nlook:\n  decide: true\n  \
               branches: [{else: healthy}]",
    },
    Lesson {
        code: Code::UNREACHABLE,
        why: "No branch leads to the step, so it never runs; `meanwhile` only starts early what a \
              branch comes to later.",
        place: Place::Steps,
        bad: "resolve:\n  decide: true\n  branches: [{else: healthy}]\nlook:\n  decide: true\n  \
              branches: [{else: healthy}]",
        good: "resolve:\n  decide: true\n  branches: [{else: look}]\nlook:\n  decide: true\n  \
               branches: [{else: healthy}]",
    },
    Lesson {
        code: Code::AFTER_ELSE,
        why: "Branches are tried in order, and `else` always applies: put it last.",
        place: Place::Branches,
        bad: "- else: inconclusive\n- when: result.outcome == \"resolved\"\n  goto: healthy",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::KINDS,
        why: "A step is exactly one of probe, ask, decide or use.",
        place: Place::Step,
        bad: "decide: true\nask: Is it up?\nbranches: [{else: healthy}]",
        good: "decide: true\nbranches: [{else: healthy}]",
    },
    Lesson {
        code: Code::LEADS,
        why: "Every branch either goes to a step (or healthy, inconclusive) or concludes a diagnosis; \
              only a step that uses another runbook can go to `as_used`.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"resolved\"\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::USE,
        why: "The other runbook has mistakes of its own, or the two use each other in a circle. Lint \
              the other one.",
        place: Place::Step,
        bad: "title: Look closer\nlayer: transport\nuse: ./example.yaml\nbranches: [{else: \
              as_used}]\nunknown: inconclusive",
        good: "title: Look closer\nlayer: transport\nuse: connect\nbranches: [{else: \
               as_used}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_RUNBOOK,
        why: "A runbook is named by its path (with a / or .yaml, from the folder of the file that \
              names it), or by a name that is looked for in ./runbooks, the user's and the system's \
              folder and among the built-in ones. `tcpdoctor runbook list` shows what is found.",
        place: Place::Step,
        bad: "title: Look closer\nlayer: transport\nuse: conect\nbranches: [{else: as_used}]\nunknown: \
              inconclusive",
        good: "title: Look closer\nlayer: transport\nuse: connect\nbranches: [{else: \
               as_used}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::DIAGNOSIS,
        why: "For example a diagnosis cannot look like itself.",
        place: Place::File,
        bad: "format: 1\nname: example\ntitle: An example\ndiagnoses:\n  x-db.down:\n    layer: application\n    severity: critical\n    location: target\n    title: The database is down\n    summary: \"{{ target.host }} has no database.\"\n    remedies: [{text: Start it., where: target}]\n    lookalikes: {x-db.down: look at the log}\nstart: end\nsteps:\n  end:\n    decide: true\n    branches: [{else: {conclude: x-db.down}}]",
        good: "format: 1\nname: example\ntitle: An example\ndiagnoses:\n  x-db.down:\n    layer: application\n    severity: critical\n    location: target\n    title: The database is down\n    summary: \"{{ target.host }} has no database.\"\n    remedies: [{text: Start it., where: target}]\n    lookalikes: {tcp.timeout_silent: look at the log}\nstart: end\nsteps:\n  end:\n    decide: true\n    branches: [{else: {conclude: x-db.down}}]",
    },
    Lesson {
        code: Code::EXTENDS,
        why: "The runbook that is extended must be right by itself, and cannot lead back to this one. \
              Lint it first; `tcpdoctor runbook show` shows what comes of the two.",
        place: Place::File,
        bad: "format: 1\nname: example\nextends: ./example.yaml",
        good: "format: 1\nname: example\nextends: connect",
    },
    Lesson {
        code: Code::INCLUDE,
        why: "`include` takes files with diagnoses (`format: 1` and `diagnoses:`), in the folder of \
              this file or below it.",
        place: Place::Head,
        bad: "include: [teem.yaml]",
        good: "include: [team.yaml]",
    },
    Lesson {
        code: Code::CONTACT,
        why: "A runbook sends nothing to a machine that its user did not name: probes take the target, \
              and whatever else is contacted is declared under `contacts:`, for the user to allow with \
              --allow-target.",
        place: Place::Step,
        bad: "title: Resolve a name of ours\nlayer: dns\nprobe: dns\nwith: {name: \
              db.example.com}\nby_hand: dig db.example.com\nbranches: [{else: healthy}]\nunknown: \
              inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\"}\nby_hand: dig {{ target.host }}\nbranches: [{else: \
               healthy}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::TARGETS,
        why: "A target of a check is host:port, :port or a URL, as for `diagnose`, and its port is \
              known before anything is sent.",
        place: Place::Targets,
        bad: "format: 1\ntargets:\n  - db.internal",
        good: "format: 1\ntargets:\n  - db.internal:5432",
    },
    Lesson {
        code: Code::ENVIRONMENT,
        why: "Only variables that a targets file declares under `env` are put in, so that nothing of \
              the environment gets into it by chance; one that is not set and has no default is an \
              error. A plain `${` is written `$${`.",
        place: Place::Targets,
        bad: "format: 1\ntargets:\n  - \"db.internal:${DB_PORT}\"",
        good: "format: 1\nenv: [{name: DB_PORT, default: \"5432\"}]\ntargets:\n  - \
               \"db.internal:${DB_PORT}\"",
    },
    Lesson {
        code: Code::EXPECTATION,
        why: "An expectation is `healthy`, another verdict, or a mapping with `verdict`, `diagnosis`, \
              `not` or `max_connect_ms`. One that can never hold, or always does, would say nothing \
              about a deploy.",
        place: Place::Targets,
        bad: "format: 1\ntargets:\n  - {target: \"db.internal:5432\", expect: tcp.rejected_admin}",
        good: "format: 1\ntargets:\n  - {target: \"db.internal:5432\", expect: {diagnosis: \
               tcp.rejected_admin}}",
    },
];
