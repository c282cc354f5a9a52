//! Live progress on stderr: one line for each probe that is running. Only on a terminal; with `-v`
//! elsewhere, one plain line for each step that the walk has passed.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::args::Global;
use crate::cli::terminal;
use crate::engine::Event;
use crate::model::report::StepEntry;
use crate::render::{Style, duration, sanitise};

/// A run that is over by then shows no progress at all, so that nothing flickers.
const QUIET: Duration = Duration::from_millis(150);
/// The time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// Live progress of one run.
pub(super) struct Progress {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
    /// Whether passed steps are told, and how they look.
    told: Option<Style>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    running: BTreeMap<String, String>,
    lines: Vec<String>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Begins to show progress, if stderr is a terminal.
    pub(super) fn begin(global: &Global) -> Progress {
        let shared = Arc::new(Shared::default());
        let terminal = io::stderr().is_terminal();
        let painter = terminal.then(|| {
            let shared = Arc::clone(&shared);
            // Without a thread there is no progress, which is no reason not to run.
            std::thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || paint(&shared))
                .ok()
        });
        let told = global.verbose.then(|| Style { colour: false, ..terminal::style(global) });
        Progress { shared, painter: painter.flatten(), told }
    }

    /// Takes note of what happens.
    pub(super) fn event(&self, event: Event<'_>) {
        match event {
            Event::Started { step, title, .. } => self.started(step, title),
            Event::Finished { step, .. } => {
                self.shared.lock().running.remove(step);
            }
            Event::Walked { entry } => self.walked(entry),
        }
    }

    /// Takes note of a probe that starts.
    pub(super) fn started(&self, step: &str, title: &str) {
        let title = sanitise::prose(title).into_owned();
        self.shared.lock().running.insert(step.to_owned(), title);
    }

    fn walked(&self, entry: &StepEntry) {
        let Some(style) = &self.told else { return };
        let (mark, _) = style.status_mark(entry.status);
        let text = entry.text.as_deref().unwrap_or(&entry.title);
        let time = entry.duration_ms.map(duration).unwrap_or_default();
        let line = format!("{mark} {}: {} {time}", entry.layer.name(), sanitise::prose(text));
        let line = line.trim_end().to_owned();
        if self.painter.is_some() {
            self.shared.lock().lines.push(line);
        } else {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Removes every trace of it from the terminal.
    pub(super) fn settle(self) {
        self.shared.lock().ended = true;
        self.shared.ended.notify_all();
        if let Some(painter) = self.painter {
            // A painter that panicked has nothing left to remove.
            let _ = painter.join();
        }
    }
}

/// Draws until the end, then clears.
fn paint(shared: &Shared) {
    let bars = MultiProgress::new();
    let mut shown: BTreeMap<String, ProgressBar> = BTreeMap::new();
    let mut pause = QUIET;
    loop {
        let state = shared.lock();
        let (mut state, _) = shared
            .ended
            .wait_timeout_while(state, pause, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        pause = FRAME;
        for line in state.lines.drain(..) {
            let _ = bars.println(line);
        }
        if state.ended {
            break;
        }
        shown.retain(|step, bar| {
            let runs = state.running.contains_key(step);
            if !runs {
                bar.finish_and_clear();
                bars.remove(bar);
            }
            runs
        });
        for (step, title) in &state.running {
            let bar = shown.entry(step.clone()).or_insert_with(|| spinner(&bars, title));
            bar.tick();
        }
    }
    for bar in shown.values() {
        bar.finish_and_clear();
    }
    let _ = bars.clear();
}

fn spinner(bars: &MultiProgress, title: &str) -> ProgressBar {
    let bar = bars.add(ProgressBar::new_spinner());
    // The template is a constant; the plain spinner serves as well if it were ever refused.
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed:>4}") {
        bar.set_style(style.tick_chars("|/-\\ "));
    }
    bar.set_message(title.to_owned());
    bar
}
