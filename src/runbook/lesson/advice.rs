//! The lessons of advice: files that can be used, and would better be changed.

use super::{Lesson, Place};
use crate::runbook::code::Code;

pub(super) const LESSONS: &[Lesson] = &[
    Lesson {
        code: Code::NEVER_TRUE,
        why: "No value makes this condition true, so its branch is dead. Most often && stands where \
              || is meant, or two bounds are swapped.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"nxdomain\" && result.outcome == \"no_data\"\n  goto: \
              inconclusive\n- else: healthy",
        good: "- when: result.outcome == \"nxdomain\" || result.outcome == \"no_data\"\n  goto: \
               inconclusive\n- else: healthy",
    },
    Lesson {
        code: Code::TAKEN_BEFORE,
        why: "Branches are tried in order. Whenever this condition is true an earlier one was true \
              already, so this branch is dead. Put the narrower condition first, or take it out.",
        place: Place::Branches,
        bad: "- when: result.v4 > 0\n  goto: healthy\n- when: result.v4 > 0 && result.outcome == \
              \"resolved\"\n  goto: inconclusive\n- else: inconclusive",
        good: "- when: result.v4 > 0 && result.outcome == \"resolved\"\n  goto: inconclusive\n- when: \
               result.v4 > 0\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::ONLY_ELSE,
        why: "The branches name most words of this outcome, and the few that are left fall into an \
              `else` that concludes something. Was each of them thought of? Name them in a branch of \
              their own, or in one with `in [\"…\", \"…\"]`; or let `else` end in inconclusive, which \
              claims nothing.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- when: result.outcome in \
              [\"servfail\", \"refused\", \"unreachable\", \"no_nameservers\"]\n  goto: \
              inconclusive\n- else: {conclude: dns.name_not_resolved, with: {name: \"{{ result.name \
              }}\", server: \"{{ result.live_server }}\"}}",
        good: "- when: result.outcome == \"resolved\"\n  goto: healthy\n- when: result.outcome in \
               [\"nxdomain\", \"no_data\"]\n  conclude: dns.name_not_resolved\n  with: {name: \"{{ \
               result.name }}\", server: \"{{ result.live_server }}\"}\n- else: inconclusive",
    },
    Lesson {
        code: Code::NO_UNKNOWN_ARM,
        why: "Every probe can be unable to look: no permission, no budget left, not supported here. \
              Without an `unknown:` arm the walk ends inconclusive there, even where another step \
              could have gone on. Say which: a step, or `inconclusive`.",
        place: Place::Step,
        bad: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ target.host \
              }}\"}\nby_hand: dig {{ target.host }}\nbranches:\n  - when: result.outcome == \
              \"resolved\"\n    goto: healthy\n  - else: inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\"}\nby_hand: dig {{ target.host }}\nbranches:\n  - when: result.outcome \
               == \"resolved\"\n    goto: healthy\n  - else: inconclusive\nunknown: inconclusive",
    },
    Lesson {
        code: Code::TEXT_UNKNOWN,
        why: "On some way here that step has not run, or could not look; the reader then finds a ? in \
              the text. Ask with has(step.field) ? … : …, or say it where the step has run.",
        place: Place::Steps,
        bad: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \
              \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches: [{else: \
              judge}]\n  unknown: judge\njudge:\n  decide: true\n  branches:\n    - else: {goto: \
              healthy, text: \"{{ resolve.v4 }} addresses\"}",
        good: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: \
               {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches: [{else: \
               judge}]\n  unknown: judge\njudge:\n  decide: true\n  branches:\n    - else: {goto: \
               healthy, text: \"{{ has(resolve.v4) ? string(resolve.v4) : 'no known' }} addresses\"}",
    },
    Lesson {
        code: Code::ARGUMENT_UNKNOWN,
        why: "The probe needs this argument, and on some way here the step that it comes from has not \
              run, or could not look. Then the probe is not run at all, and the walk takes the \
              `unknown:` arm. Give a value to fall back on.",
        place: Place::Steps,
        bad: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \
              \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches: [{else: \
              connect}]\n  unknown: connect\nconnect:\n  title: Connect\n  layer: transport\n  probe: \
              tcp_connect\n  with: {addresses: \"{{ resolve.addresses }}\", port: \"{{ target.port \
              }}\"}\n  by_hand: nc -zv {{ target.host }} {{ target.port }}\n  branches: [{else: \
              healthy}]\n  unknown: inconclusive",
        good: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: \
               {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches: [{else: \
               connect}]\n  unknown: connect\nconnect:\n  title: Connect\n  layer: transport\n  \
               probe: tcp_connect\n  with: {addresses: \"{{ has(resolve.addresses) ? \
               resolve.addresses : [target.host] }}\", port: \"{{ target.port }}\"}\n  by_hand: nc \
               -zv {{ target.host }} {{ target.port }}\n  branches: [{else: healthy}]\n  unknown: \
               inconclusive",
    },
    Lesson {
        code: Code::UNUSED_PARAM,
        why: "Whoever sets it with --param will find that nothing changes.",
        place: Place::Head,
        bad: "params:\n  slow_ms: {type: float, default: 200, help: Handshakes above this are slow}",
        good: "about: Looks the name up.",
    },
    Lesson {
        code: Code::UNUSED_DIAGNOSIS,
        why: "No branch concludes it and no finding notes it: take it out, or write the branch that \
              was meant to.",
        place: Place::Head,
        bad: "diagnoses:\n  x-db.down:\n    layer: application\n    severity: critical\n    location: \
              target\n    title: The database is down\n    summary: \"{{ target.host }} has no \
              database.\"\n    remedies: [{text: Start it., where: target}]",
        good: "about: Looks the name up.",
    },
    Lesson {
        code: Code::NO_BY_HAND,
        why: "`by_hand` is the classic command that a reader of the report can type to check the \
              step: the report shows it beside what was seen.",
        place: Place::Step,
        bad: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ target.host \
              }}\"}\nbranches: [{else: healthy}]\nunknown: inconclusive",
        good: "title: Resolve {{ target.host }}\nlayer: dns\nprobe: dns\nwith: {name: \"{{ \
               target.host }}\"}\nby_hand: dig +short {{ target.host }}\nbranches: [{else: \
               healthy}]\nunknown: inconclusive",
    },
    Lesson {
        code: Code::NO_REMEDY,
        why: "A fault without a next step leaves the reader alone. Say what to do, or whom to ask, \
              and where.",
        place: Place::File,
        bad: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
              true\n    branches: [{else: {conclude: x-db.down}}]\ndiagnoses:\n  x-db.down:\n    \
              layer: application\n    severity: critical\n    location: target\n    title: The \
              database is down\n    summary: \"{{ target.host }} has no database.\"",
        good: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
               true\n    branches: [{else: {conclude: x-db.down}}]\ndiagnoses:\n  x-db.down:\n    \
               layer: application\n    severity: critical\n    location: target\n    title: The \
               database is down\n    summary: \"{{ target.host }} has no database.\"\n    remedies: \
               [{text: Start it., command: systemctl start postgresql, where: target}]",
    },
    Lesson {
        code: Code::EARLY_START,
        why: "`meanwhile` starts the probes of later steps while this one waits. That helps only when \
              their arguments are known by then and a later branch comes to them.",
        place: Place::Steps,
        bad: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \
              \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  meanwhile: {after: 300ms, \
              start: [connect]}\n  branches: [{when: result.v4 > 0, goto: connect}, {else: \
              inconclusive}]\n  unknown: inconclusive\nconnect:\n  title: Connect\n  layer: \
              transport\n  probe: tcp_connect\n  with: {addresses: \"{{ resolve.addresses }}\", port: \
              \"{{ target.port }}\"}\n  by_hand: nc -zv {{ target.host }} {{ target.port }}\n  \
              branches: [{else: healthy}]\n  unknown: inconclusive",
        good: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: \
               {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  meanwhile: {after: \
               300ms, start: [connect]}\n  branches: [{when: result.v4 > 0, goto: connect}, {else: \
               inconclusive}]\n  unknown: inconclusive\nconnect:\n  title: Connect\n  layer: \
               transport\n  probe: tcp_connect\n  with: {addresses: \"{{ [target.host] }}\", port: \
               \"{{ target.port }}\"}\n  by_hand: nc -zv {{ target.host }} {{ target.port }}\n  \
               branches: [{else: healthy}]\n  unknown: inconclusive",
    },
    Lesson {
        code: Code::EVIDENCE,
        why: "No way to this conclusion goes through that step, so the report can never cite it.",
        place: Place::Steps,
        bad: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \
              \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches:\n    - when: \
              result.outcome == \"nxdomain\"\n      conclude: dns.name_not_resolved\n      with: \
              {name: \"{{ result.name }}\", server: \"{{ result.live_server }}\"}\n      evidence: \
              [judge]\n    - else: judge\n  unknown: inconclusive\njudge:\n  decide: true\n  \
              branches: [{else: healthy}]",
        good: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: \
               {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches:\n    - \
               when: result.outcome == \"nxdomain\"\n      conclude: dns.name_not_resolved\n      \
               with: {name: \"{{ result.name }}\", server: \"{{ result.live_server }}\"}\n      \
               evidence: [resolve]\n    - else: judge\n  unknown: inconclusive\njudge:\n  decide: \
               true\n  branches: [{else: healthy}]",
    },
    Lesson {
        code: Code::UNUSED_VALUE,
        why: "Every branch that concludes the diagnosis must give the value, and no reader ever sees \
              it. Use it in a text, or take it out of `needs` and of the `with`.",
        place: Place::File,
        bad: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
              true\n    branches: [{else: {conclude: x-db.down, with: {since: noon}}}]\ndiagnoses:\n  \
              x-db.down:\n    layer: application\n    severity: critical\n    location: target\n    \
              title: The database is down\n    summary: \"{{ target.host }} has no \
              database.\"\n    needs: [since]\n    remedies: [{text: Start it., where: target}]",
        good: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
               true\n    branches: [{else: {conclude: x-db.down, with: {since: \
               noon}}}]\ndiagnoses:\n  x-db.down:\n    layer: application\n    severity: \
               critical\n    location: target\n    title: The database is down\n    summary: \"{{ \
               target.host }} has had no database since {{ since }}.\"\n    needs: [since]\n    \
               remedies: [{text: Start it., where: target}]",
    },
    Lesson {
        code: Code::DEPRECATED,
        why: "The old name still works and will be refused by a later version. `runbook lint --fix` \
              writes the new one.",
        place: Place::Branches,
        bad: "- when: double(result.v4) > 0.5\n  goto: healthy\n- else: inconclusive",
        good: "- when: float(result.v4) > 0.5\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::FILE_NAME,
        why: "`--runbook NAME` and `use: NAME` look for a file called NAME.yaml; reports carry the \
              runbook's own name. Two names for one thing mislead.",
        place: Place::File,
        bad: "format: 1\nname: other\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
              true\n    branches: [{else: healthy}]",
        good: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
               true\n    branches: [{else: healthy}]",
    },
    Lesson {
        code: Code::ONE_BRACE,
        why: "Holes in texts have two braces on each side; with one, the reader sees the expression \
              itself.",
        place: Place::Branches,
        bad: "- when: result.outcome == \"resolved\"\n  text: \"{result.v4} addresses\"\n  goto: \
              healthy\n- else: inconclusive",
        good: "- when: result.outcome == \"resolved\"\n  text: \"{{ result.v4 }} addresses\"\n  goto: \
               healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::NEVER_UNKNOWN,
        why: "A decision looks at nothing, and none of its conditions can be unknown, so this arm is \
              dead.",
        place: Place::Step,
        bad: "decide: true\nbranches:\n  - when: target.family == \"v4\"\n    goto: inconclusive\n  - \
              else: healthy\nunknown: inconclusive",
        good: "decide: true\nbranches:\n  - when: target.family == \"v4\"\n    goto: inconclusive\n  \
               - else: healthy",
    },
    Lesson {
        code: Code::NEVER_NULL,
        why: "The field always has a value when its step has run, so the test says nothing. Whether a \
              step has run and could look is asked with has(step.field).",
        place: Place::Branches,
        bad: "- when: result.outcome != null && result.v4 > 0\n  goto: healthy\n- else: inconclusive",
        good: "- when: result.v4 > 0\n  goto: healthy\n- else: inconclusive",
    },
    Lesson {
        code: Code::UNKNOWN_LOOKALIKE,
        why: "A report would name a diagnosis that nobody can look up.",
        place: Place::File,
        bad: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
              true\n    branches: [{else: {conclude: x-db.down}}]\ndiagnoses:\n  x-db.down:\n    \
              layer: application\n    severity: critical\n    location: target\n    title: The \
              database is down\n    summary: \"{{ target.host }} has no database.\"\n    remedies: \
              [{text: Start it., where: target}]\n    lookalikes: {tcp.timeout_silnt: look at the \
              log}",
        good: "format: 1\nname: example\ntitle: An example\nstart: end\nsteps:\n  end:\n    decide: \
               true\n    branches: [{else: {conclude: x-db.down}}]\ndiagnoses:\n  x-db.down:\n    \
               layer: application\n    severity: critical\n    location: target\n    title: The \
               database is down\n    summary: \"{{ target.host }} has no database.\"\n    remedies: \
               [{text: Start it., where: target}]\n    lookalikes: {tcp.timeout_silent: look at the \
               log}",
    },
    Lesson {
        code: Code::RUNS_LATER,
        why: "Every way to that step goes through this one first, or never meets it; has(step.field) is \
              then always false and everything else unknown. Ask where the step has run.",
        place: Place::Steps,
        bad: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches:\n    - when: has(look.v4) && look.v4 == 0\n      goto: inconclusive\n    - else: look\n  unknown: inconclusive\nlook:\n  title: Resolve it again\n  layer: dns\n  probe: dns\n  with: {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches: [{else: healthy}]\n  unknown: inconclusive",
        good: "resolve:\n  title: Resolve {{ target.host }}\n  layer: dns\n  probe: dns\n  with: {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches:\n    - when: result.v4 == 0\n      goto: inconclusive\n    - else: look\n  unknown: inconclusive\nlook:\n  title: Resolve it again\n  layer: dns\n  probe: dns\n  with: {name: \"{{ target.host }}\"}\n  by_hand: dig {{ target.host }}\n  branches: [{else: healthy}]\n  unknown: inconclusive",
    },
];
