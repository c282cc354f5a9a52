//! A large runbook, for the test and the benchmark of its linting.

/// A runbook of many steps as a team might write it: probes, texts, conclusions, facts that are asked
/// for much later.
pub(crate) fn large(steps: usize) -> String {
    let mut text = String::from(
        "format: 1\nname: large\ntitle: A large one\nparams:\n  slow_ms: {type: float, default: 200, help: Slow}\nstart: s0\nsteps:\n",
    );
    for at in 0..steps {
        let next = if at + 1 == steps { "healthy".to_owned() } else { format!("s{}", at + 1) };
        let far = if at > 20 {
            format!("has(s{}.v4) && s{}.v4 > 1 && ", at - 20, at - 20)
        } else {
            String::new()
        };
        text.push_str(&format!(
            "  s{at}:
    title: Resolve {{{{ target.host }}}}, the {at}th time
    layer: dns
    probe: dns
    with: {{name: \"{{{{ target.host }}}}\", family: \"{{{{ target.family }}}}\"}}
    by_hand: dig +short {{{{ target.host }}}}
    findings:
      - when: result.servers_dead > 0 && result.dead_server != null
        note: dns.server_partial
        with: {{server: \"{{{{ result.dead_server }}}}\", dead: \"{{{{ result.servers_dead }}}}\", total: \"{{{{ size(result.servers) }}}}\"}}
    branches:
      - when: result.outcome == \"resolved\" && result.getaddrinfo_ms != null && result.getaddrinfo_ms > params.slow_ms
        status: warn
        text: \"{{{{ plural(size(result.addresses), 'address', 'addresses') }}}} after {{{{ ms(result.getaddrinfo_ms) }}}}\"
        goto: {next}
      - when: {far}result.outcome in [\"nxdomain\", \"no_data\"]
        conclude: dns.name_not_resolved
        with: {{name: \"{{{{ result.name }}}}\", server: \"{{{{ result.live_server }}}}\"}}
        evidence: [s{at}]
      - when: result.outcome == \"resolved\"
        goto: {next}
      - else: inconclusive
    unknown: {next}
"
        ));
    }
    text
}
