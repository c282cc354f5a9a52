//! How long linting takes: a runbook of a thousand steps, the built-in ones, and files made to be slow.
#![allow(clippy::disallowed_methods, clippy::print_stdout)] // a benchmark measures and prints

#[path = "../tests/lint/large.rs"]
mod large;

use std::time::{Duration, Instant};

use tcpdoctor::runbook::{builtin, lint};

fn main() {
    let thousand = large::large(1000);
    let bomb = format!("a: &a [{}]\nb:\n{}", "x, ".repeat(1000), "  - *a\n".repeat(2000));
    let terms = vec!["result.v4 > 0"; 1000].join(" || ");
    let terms = large::large(1).replace("result.servers_dead > 0", &terms);
    let cases = [
        ("1000 steps", thousand),
        ("connect", text_of("connect")),
        ("listen", text_of("listen")),
        ("alias bomb", bomb),
        ("deep nesting", "[".repeat(2 << 20)),
        ("1000 terms", terms),
        ("10 MB", "x: 1\n".repeat(2 << 20)),
    ];
    for (name, text) in cases {
        let mut times: Vec<Duration> = (0..10).map(|_| once(&text)).collect();
        times.sort_unstable();
        let (best, median) = (times[0].as_secs_f64() * 1e3, times[5].as_secs_f64() * 1e3);
        println!(
            "lint {name:<14} {:>9} bytes  best {best:>8.2} ms  median {median:>8.2} ms",
            text.len()
        );
    }
}

fn text_of(name: &str) -> String {
    let found = builtin::RUNBOOKS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| (*text).to_owned()).expect("a built-in runbook")
}

fn once(text: &str) -> Duration {
    let start = Instant::now();
    let linted = lint::lint("any.yaml", text, None);
    std::hint::black_box(&linted);
    start.elapsed()
}
