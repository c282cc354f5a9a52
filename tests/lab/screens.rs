//! What a person sees: the product at a terminal in a network with one fault, its menu, and a key.
//!
//! `tests/lab/screens` keeps the screens as they were, to be looked at. Times and counts differ from run
//! to run, so the tests compare what begins each line; the report must be what `replay` prints of the
//! same run, whose lines `tests/terminal` compares to the letter.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::process::{Accepts, process};
use crate::rules::{no_too_big, to_port};
use crate::scenario::{Scenario, scenario};
use crate::scenarios::server::on_server;
use crate::screen::Screen;
use crate::terminal;

/// One fault, in a window of some width.
pub(crate) struct Capture {
    kind: &'static str,
    columns: u16,
    scenario: Scenario,
    status: i32,
    /// What must stand on the screen.
    says: &'static str,
}

pub(crate) fn all() -> Vec<Capture> {
    [80, 120].into_iter().flat_map(in_a_window_of).collect()
}

fn in_a_window_of(columns: u16) -> Vec<Capture> {
    let capture = |kind, status, says, scenario| Capture { kind, columns, scenario, status, says };
    vec![
        capture(
            "healthy",
            0,
            "✓ HEALTHY  four.lab.test:22",
            scenario("").diagnose("four.lab.test:22"),
        ),
        capture(
            "refused",
            1,
            "tcp.refused_no_listener",
            scenario("").diagnose("four.lab.test:5432"),
        ),
        capture(
            "filtered",
            1,
            "tcp.timeout_filtered",
            scenario("").nft("r2", to_port("forward", 5432, "drop")).diagnose("four.lab.test:5432"),
        ),
        capture(
            "mtu_black_hole",
            1,
            "mtu.blackhole",
            scenario("")
                .narrow(1300)
                .nft("r1", no_too_big())
                .nft("r2", no_too_big())
                .diagnose("four.lab.test:80"),
        ),
        capture(
            "dns_failure",
            1,
            "dns.name_not_resolved",
            scenario("").diagnose("nowhere.lab.test:5432"),
        ),
        capture(
            "close_wait_leak",
            1,
            "socket.close_wait_leak",
            on_server("")
                .process(
                    "s",
                    process("orders").may_open(1024).listens("[::]:8080", 4096, Accepts::Keeps),
                )
                .abandoned(8080, 300)
                .diagnose(":8080"),
        ),
    ]
}

impl Capture {
    pub(crate) fn name(&self) -> String {
        format!("screen: {} at {} columns (root)", self.kind, self.columns)
    }

    /// Runs it, presses Enter where the menu asks, and compares.
    pub(crate) fn look(&self) -> Result<(), Failed> {
        self.scenario.at_a_terminal(self.columns, |screen, file| self.sit(screen, file))?
    }

    fn sit(&self, mut screen: Screen, file: &Path) -> Result<(), Failed> {
        let asks = |text: &str| text.trim_end().ends_with("❯ I don't know");
        let offers = |text: &str| {
            text.contains("? What now?") && text.trim_end().ends_with("Save the report")
        };
        let mut shown = String::new();
        while self.status != 0 && !offers(&shown) {
            shown = screen.wait("a question or the menu", |text| asks(text) || offers(text));
            screen.keys("\r");
            if asks(&shown) {
                screen.wait("what comes then", |text| !asks(text));
            }
        }
        let (status, last) = screen.end();
        same(&status, &self.status, "the status")?;
        let shown = if self.status == 0 { last } else { shown };
        let shown: String = shown.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        if !shown.contains(self.says) || shown.contains(|c| "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(c))
        {
            return Err(
                format!("{} is not there, or a rung still turns:\n{shown}", self.says).into()
            );
        }
        // Above it stand the questions, if any were asked.
        let report = ["✗ FAULT", "✓ HEALTHY"].iter().find_map(|verdict| shown.find(verdict));
        let told = &shown[report.unwrap_or_default()..];
        let (told, _menu) = told.split_once("\n? What now?").unwrap_or((told, ""));
        let replayed = terminal::replayed_in(file, self.columns)?;
        same(&told.trim_end(), &replayed.trim_end(), "the report and its replay")?;

        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/screens");
        let kept = kept.join(format!("{}@{}.txt", self.kind, self.columns));
        if std::env::var_os("UPDATE_SCREENS").is_some() {
            fs::write(&kept, &shown)?;
            return if self.columns == 80 { record(file, self.kind) } else { Ok(()) };
        }
        let before = fs::read_to_string(&kept)?;
        same(&skeleton(&shown), &skeleton(&before), &format!("{shown}\nand {}", kept.display()))
    }
}

/// Keeps the report that `tests/terminal` replays, without what is this machine's own.
fn record(file: &Path, kind: &str) -> Result<(), Failed> {
    let mut report: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let kernel = report["vantage"]["kernel"].as_str().unwrap_or_default().to_owned();
    report["vantage"]["kernel"] = kernel.split('-').next().into();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/reports");
    Ok(fs::write(kept.join(format!("{kind}.json")), serde_json::to_string_pretty(&report)? + "\n")?)
}

/// What begins each line: the marks, the layers, the labels; the menu whole.
fn skeleton(screen: &str) -> Vec<String> {
    let (told, menu) = screen.split_once("? What now?").unwrap_or((screen, ""));
    let told = told.lines().filter(|line| !line.starts_with("        "));
    let begun = told.map(|line| line.chars().take(12).collect::<String>().trim_end().to_owned());
    begun.chain(menu.lines().map(str::to_owned)).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(is: &T, was: &T, what: &str) -> Result<(), Failed> {
    if is == was { Ok(()) } else { Err(format!("{what}: {is:#?}\nis not {was:#?}").into()) }
}
