//! One diagnosis as a conversation: the run, its questions, its report, and what to do then.

use std::cell::Cell;
use std::io::{self, Write};

use crate::cli::args::Global;
use crate::cli::menu::{self, Next};
use crate::cli::progress::Progress;
use crate::cli::prompt::{Given, Prompt};
use crate::cli::{runtime, status, terminal};
use crate::engine::{Question, Reply, Session};
use crate::model::check::Check;
use crate::model::expect::FailOn;
use crate::model::report::Report;
use crate::render::Format;

/// Runs, reports, and asks what to do at a fault until that is nothing more; returns the exit status
/// of the last report.
pub(super) async fn hold(
    global: &Global,
    session: &mut Session,
    target: &str,
    fail_on: &FailOn,
    shown: impl Fn(&mut Check, u8) -> u8,
) -> u8 {
    let prompt = Prompt::new(global);
    let signal = Cell::new(None);
    let mut before: Option<(Report, Next)> = None;
    loop {
        let progress = Progress::of(global, Some(target));
        let asking = Cell::new(false);
        let (shown_by, asks) = (&progress, &asking);
        let ask = prompt.as_ref().map(|prompt| {
            move |question: Question| async move {
                shown_by.pause();
                prompt.forget_typed();
                asks.set(true);
                let reply = answer(prompt, &question).await;
                prompt.say("");
                asks.set(false);
                shown_by.resume();
                reply
            }
        });
        let interrupt = runtime::interrupt(&signal);
        let report = session.run(interrupt, ask, |event| progress.event(event)).await;
        let asked = asking.get();
        progress.settle(!terminal::is_terminal());
        let interrupted = signal.get().is_some();
        if interrupted {
            leave(prompt.as_ref().filter(|_| asked));
            terminal::complain("interrupted: the report is a partial one");
        }
        let mut check = Check::of(report.clone(), fail_on, interrupted);
        let ended = status::of(&check, signal.get());
        let ended = shown(&mut check, ended);
        if let Some(prompt) = prompt.as_ref().filter(|_| interrupted && asked) {
            // What waits for a key may have begun to wait meanwhile.
            prompt.restore();
        }
        let Some(prompt) = prompt.as_ref().filter(|_| !interrupted) else { return ended };
        if let Some((last, next)) = &before {
            prompt.say("");
            prompt.say(&compared(last, next, &report));
        }
        if !offers(global, &report) {
            return ended;
        }
        prompt.forget_typed();
        let next = tokio::select! {
            biased;
            () = runtime::interrupt(&signal) => {
                leave(Some(prompt));
                return status::ended_by(signal.get());
            }
            next = menu::ask(prompt, global, session, &check, &report) => next,
        };
        match &next {
            Next::Stop => return ended,
            Next::Retest(key) => session.forget_from(key),
            Next::Pass(key) => session.pass(key),
            Next::Learn(key, outcome) => session.learn(key, outcome.clone()),
        }
        // The next report stands apart from the last.
        prompt.say("");
        prompt.say(&announced(&next, &report));
        prompt.say("");
        before = Some((report, next));
    }
}

/// Says what is done next, above what comes of it.
fn announced(next: &Next, report: &Report) -> String {
    let step = |key: &str| {
        let step = report.steps.iter().find(|step| step.id == key);
        step.map_or_else(|| key.to_owned(), |step| step.title.clone())
    };
    match next {
        Next::Retest(key) => {
            format!("Retest from here on: {} (what was seen before it is kept)", step(key))
        }
        Next::Pass(_) => format!("Continuing behind {}", concluded(report)),
        Next::Learn(..) => "Again, with what the server sees".to_owned(),
        Next::Stop => String::new(),
    }
}

/// Says how a report differs from the one before.
fn compared(last: &Report, next: &Next, now: &Report) -> String {
    let (was, is) = (ended_with(last), ended_with(now));
    let more = now.findings.iter().any(|one| last.findings.iter().all(|known| known.id != one.id));
    match next {
        Next::Pass(_) if was == is && !more => {
            format!("Behind {} nothing more was found.", concluded(last))
        }
        Next::Retest(_) if was == is => format!("Still {is}, as before."),
        _ if was == is => format!("It stays {is}."),
        _ => format!("Before: {was}. Now: {is}."),
    }
}

fn concluded(report: &Report) -> &str {
    report.diagnosis.as_ref().map_or("it", |diagnosis| &diagnosis.id)
}

/// The verdict and the diagnosis of a report.
fn ended_with(report: &Report) -> String {
    let verdict = report.verdict.name().to_uppercase();
    match &report.diagnosis {
        Some(diagnosis) => format!("{verdict} {}", diagnosis.id),
        None => verdict,
    }
}

/// Whether the menu is shown: at a fault, and where the report itself was read at the terminal.
fn offers(global: &Global, report: &Report) -> bool {
    global.format == Format::Text && terminal::is_terminal() && menu::is_due(report)
}

/// Gives the terminal back as it was, on a line of its own.
fn leave(prompt: Option<&Prompt>) {
    if let Some(prompt) = prompt {
        prompt.restore();
        let _ = writeln!(io::stderr());
    }
}

/// Asks a question of the runbook.
async fn answer(prompt: &Prompt, question: &Question) -> Reply {
    prompt.say("");
    prompt.say(&question.text);
    if let Some(why) = &question.why {
        prompt.say(why);
    }
    if let Some(command) = &question.command {
        prompt.command(command);
    }
    let mut items: Vec<String> =
        question.choices.iter().map(|choice| choice.replace('_', " ")).collect();
    items.push("I don't know".to_owned());
    let default = question.default.unwrap_or(items.len() - 1);
    match prompt.pick("Answer", &items, default).await {
        Given::Answer(nth) => match question.choices.get(nth) {
            Some(choice) => Reply::Choice(choice.clone()),
            None => Reply::DontKnow,
        },
        Given::Nothing => Reply::DontKnow,
        Given::Nobody => Reply::Nobody,
    }
}
