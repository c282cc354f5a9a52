//! Live progress on stderr: the ladder, redrawn in place on a terminal that can do that; plain lines
//! on one that cannot, or for a reader who does not want it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::args::Global;
use crate::cli::canvas;
use crate::cli::ladder::Ladder;
use crate::cli::terminal::{self, Screen};
use crate::engine::Event;
use crate::render::{Style, live, sanitise};

/// A run that is over by then shows no progress at all, so that nothing flickers.
const QUIET: Duration = Duration::from_millis(150);
/// The time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// In plain lines, what takes longer is told, so that nobody thinks it hangs.
const SLOW_MS: f64 = 1000.0;

/// Live progress of one run.
pub(super) struct Progress {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
    style: Style,
    /// Whether every step that was walked is told in a plain line.
    told: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    looks: Looks,
}

/// What the painter needs of the command line.
struct Looks {
    /// The target, drawn above the ladder.
    head: Option<String>,
    /// How it looks; the width is that of the moment.
    style: Style,
}

#[derive(Default)]
struct State {
    ladder: Ladder,
    /// Nothing may be drawn now: somebody is asked.
    paused: bool,
    /// The painter has cleared what it drew.
    clear: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Begins to show progress, as far as stderr can show it.
    pub(super) fn begin(global: &Global) -> Progress {
        Progress::of(global, None)
    }

    /// Begins to show the progress of a diagnosis.
    pub(super) fn of(global: &Global, head: Option<&str>) -> Progress {
        let screen = terminal::screen(global);
        let style = terminal::error_style(global);
        let head = head.map(|head| sanitise::line(head).into_owned());
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            looks: Looks { head, style: style.clone() },
        });
        let paints: Option<fn(&Shared)> = match screen {
            Screen::Live => Some(draw),
            Screen::Plain => Some(tell),
            Screen::Silent => None,
        };
        let painter = paints.and_then(|paints| {
            let shared = Arc::clone(&shared);
            // Without a thread there is no progress, which is no reason not to run.
            std::thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || paints(&shared))
                .ok()
        });
        let told = screen != Screen::Live && global.verbose;
        Progress { shared, painter, style, told }
    }

    /// Takes note of what happens.
    pub(super) fn event(&self, event: Event<'_>) {
        let settled = self.shared.lock().ladder.event(event);
        if let Some(settled) = settled.filter(|_| self.told) {
            say(&settled.line(&self.style));
        }
    }

    /// Takes note of a probe that starts on its own.
    pub(super) fn started(&self, probe: &str, title: &str) {
        self.shared.lock().ladder.start(probe, probe, title, false);
    }

    /// How it looks in the window as it is now.
    fn now(&self) -> Style {
        Style { width: terminal::error_size().1, ..self.style.clone() }
    }

    /// Leaves the terminal to a question: what has settled stays above it.
    pub(super) fn pause(&self) {
        let lines = {
            let mut state = self.shared.lock();
            state.paused = true;
            state.clear = false;
            self.shared.changed.notify_all();
            if self.painter.is_some() {
                let waited = self.shared.changed.wait_while(state, |state| !state.clear);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
            state.ladder.take_settled(&self.now())
        };
        if !self.told {
            lines.iter().for_each(|line| say(line));
        }
    }

    /// Takes the terminal back.
    pub(super) fn resume(&self) {
        self.shared.lock().paused = false;
        self.shared.changed.notify_all();
    }

    /// Removes every trace of it from the terminal; where the report goes elsewhere (`stays`), the
    /// settled ladder is left standing.
    pub(super) fn settle(self, stays: bool) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        let live = self.painter.is_some() && !self.told;
        let style = self.now();
        if let Some(painter) = self.painter {
            // A painter that panicked has nothing left to remove.
            let _ = painter.join();
        }
        if stays && live && terminal::is_error_terminal() {
            let lines = self.shared.lock().ladder.take_settled(&style);
            lines.iter().for_each(|line| say(line));
        }
    }
}

fn say(line: &str) {
    // There is nobody to tell when that fails.
    let _ = writeln!(io::stderr(), "{}", line.trim_end());
}

/// Waits for the next frame; hands back the state.
fn next(shared: &Shared, pause: Duration) -> MutexGuard<'_, State> {
    let state = shared.lock();
    let stays = |state: &mut State| !state.ended && (!state.paused || state.clear);
    let waited = shared.changed.wait_timeout_while(state, pause, stays);
    waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
}

/// Draws the ladder until the end, then clears it.
fn draw(shared: &Shared) {
    let mut pause = QUIET;
    // Made when there is something to draw, and made anew after it was cleared.
    let mut bar: Option<ProgressBar> = None;
    for beat in 0.. {
        let mut state = next(shared, pause);
        pause = FRAME;
        if state.ended {
            break;
        }
        if state.paused {
            if !state.clear {
                clear(bar.take());
                state.clear = true;
                shared.changed.notify_all();
            }
            continue;
        }
        let (rows, columns) = terminal::error_size();
        let style = Style { width: columns, ..shared.looks.style.clone() };
        let mut lines = state.ladder.lines(beat, &style);
        drop(state);
        if lines.is_empty() {
            continue;
        }
        // What does not fit above the cursor cannot be taken back.
        let most = rows.saturating_sub(4).max(1);
        lines.drain(..lines.len().saturating_sub(most));
        if let Some(head) = &shared.looks.head {
            let head = format!("{} {head}", live::turn(beat, &style));
            let head = console::truncate_str(&head, columns, "").into_owned();
            lines.splice(0..0, [head, canvas::BLANK.to_owned()]);
        }
        bar.get_or_insert_with(ladder_bar).set_message(lines.join("\n"));
    }
    clear(bar);
}

/// A bar whose text is the whole ladder.
fn ladder_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, canvas::target(20));
    // The template is a constant; the plain one serves as well if it were ever refused.
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}

fn clear(bar: Option<ProgressBar>) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

/// Tells in plain lines what takes its time.
fn tell(shared: &Shared) {
    loop {
        let mut state = next(shared, FRAME);
        if state.ended {
            return;
        }
        if state.paused {
            state.clear = true;
            shared.changed.notify_all();
            continue;
        }
        let slow = state.ladder.slow(SLOW_MS);
        drop(state);
        for (name, title) in slow {
            say(&format!("... {name}: {}", sanitise::prose(&title)));
        }
    }
}
