//! The least, the middle and the most of some measurements.

use std::fmt;
use std::time::Duration;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread<T> {
    pub(crate) least: T,
    pub(crate) median: T,
    pub(crate) most: T,
}

impl Spread<Duration> {
    /// Of at least one time.
    pub(crate) fn of(times: &[Duration]) -> Spread<Duration> {
        let mut times = times.to_vec();
        times.sort();
        Spread::of_sorted(&times)
    }
}

impl Spread<f64> {
    /// Of the ratios of times that were measured in pairs.
    pub(crate) fn of_ratios(above: &[Duration], below: &[Duration]) -> Spread<f64> {
        let mut ratios: Vec<f64> =
            above.iter().zip(below).map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        Spread::of_sorted(&ratios)
    }
}

impl<T: Copy> Spread<T> {
    fn of_sorted(values: &[T]) -> Spread<T> {
        // Of an even number the upper middle one: a value that was measured, and the less flattering.
        Spread {
            least: values[0],
            median: values[values.len() / 2],
            most: values[values.len() - 1],
        }
    }
}

impl fmt::Display for Spread<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, median, most] = [self.least, self.median, self.most].map(words);
        write!(f, "{least:>8} / {median:>8} / {most:>8}")
    }
}

impl fmt::Display for Spread<f64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, median, most] = [self.least, self.median, self.most]
            .map(|ratio| if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.1}") });
        write!(f, "{least} / {median} / {most}")
    }
}

/// Writes a time with three digits or so.
pub(crate) fn words(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        1000.0.. => format!("{:.2} s", ms / 1e3),
        100.0.. => format!("{ms:.0} ms"),
        _ => format!("{ms:.1} ms"),
    }
}
