//! What has been measured, as a table in Markdown.

use std::{fmt, time::Duration};

use crate::{machine, settings::Settings, subject::Subject};

/// The columns beside ours, as the table names them.
const COLUMNS: [(&str, &[Subject]); 3] = [
    ("umbral-presence", &[Subject::Ours]),
    ("floor", &[Subject::Bare, Subject::Writes, Subject::Scripts]),
    ("umbral-realtime", &[Subject::Peer]),
];

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Time,
    Rate,
    Count,
    Mean,
}

/// The rows, in the order in which they were first measured.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    unit: Unit,
    samples: Vec<(Subject, f64)>,
}

impl Sheet {
    /// Notes a number of bytes.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn bytes(&mut self, name: &str, subject: Subject, bytes: u64) {
        self.note(name, Unit::Bytes, subject, bytes as f64);
    }

    /// Notes a time.
    pub(crate) fn time(&mut self, name: &str, subject: Subject, time: Duration) {
        self.note(name, Unit::Time, subject, time.as_secs_f64());
    }

    /// Notes the middle of many times, and the hundredth that takes longest.
    pub(crate) fn times(&mut self, name: &str, subject: Subject, mut times: Vec<Duration>) {
        times.sort_unstable();
        for (percent, share) in [("p50", 50), ("p99", 99)] {
            let at = times.len().saturating_sub(1) * share / 100;
            if let Some(time) = times.get(at) {
                self.time(&format!("{name}, {percent}"), subject, *time);
            }
        }
    }

    /// Notes how many connections are wrong at the end.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn wrong(&mut self, name: &str, subject: Subject, count: usize) {
        self.note(name, Unit::Count, subject, count as f64);
    }

    /// Notes how many there are of something on the average.
    pub(crate) fn mean(&mut self, name: &str, subject: Subject, count: f64) {
        self.note(name, Unit::Mean, subject, count);
    }

    /// The median of a row.
    pub(crate) fn median(&self, name: &str, subject: Subject) -> Option<f64> {
        self.rows.iter().find(|row| row.name == name)?.median(&[subject])
    }

    /// Notes how often something happens in a second.
    pub(crate) fn rate(&mut self, name: &str, subject: Subject, count: u32, time: Duration) {
        let rate = f64::from(count) / time.as_secs_f64();
        self.note(name, Unit::Rate, subject, rate);
    }

    /// Notes a number.
    fn note(&mut self, name: &str, unit: Unit, subject: Subject, value: f64) {
        let found = self.rows.iter().position(|row| row.name == name);
        let at = found.unwrap_or_else(|| {
            self.rows.push(Row { name: name.to_owned(), unit, samples: Vec::new() });
            self.rows.len() - 1
        });
        self.rows[at].samples.push((subject, value));
        say(&format!("{name}, {subject}: {}", Shown(unit, value)));
    }

    /// Prints the medians, with what they were measured on.
    #[allow(clippy::print_stdout)]
    pub(crate) fn print(&self, settings: &Settings) {
        println!("Medians of {} rounds, on {}.\n", settings.rounds, machine::description());
        print!("{self}");
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ours, floor, peer] = COLUMNS.map(|(name, _)| name);
        writeln!(f, "| figure | {ours} | {floor} | ours ÷ floor | {peer} |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for row in &self.rows {
            let [ours, floor, peer] = COLUMNS.map(|(_, subjects)| row.median(subjects));
            let shown = |value: Option<f64>| {
                value.map_or_else(|| "–".to_owned(), |value| Shown(row.unit, value).to_string())
            };
            let ratio = ours
                .zip(floor)
                .filter(|_| !matches!(row.unit, Unit::Count | Unit::Mean))
                .map(|(ours, floor)| format!("{:.2}", ours / floor));
            let (name, ratio) = (&row.name, ratio.unwrap_or_else(|| "–".to_owned()));
            writeln!(
                f,
                "| {name} | {} | {} | {ratio} | {} |",
                shown(ours),
                shown(floor),
                shown(peer)
            )?;
        }
        Ok(())
    }
}

impl Row {
    fn median(&self, subjects: &[Subject]) -> Option<f64> {
        let samples = self.samples.iter().filter(|(subject, _)| subjects.contains(subject));
        let mut values: Vec<f64> = samples.map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// A number in the unit that it is read in.
struct Shown(Unit, f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(unit, value) = *self;
        let scales: &[(f64, &str)] = match unit {
            Unit::Bytes => &[(1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "bytes")],
            Unit::Time => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
            Unit::Rate => &[(1.0, "/s")],
            Unit::Count | Unit::Mean => &[(1.0, "")],
        };
        let scale = scales.iter().find(|(scale, _)| value.abs() >= *scale);
        let (scale, name) = scale.or(scales.last()).copied().unwrap_or((1.0, ""));
        let scaled = value / scale;
        let digits = if unit == Unit::Count || scaled >= 100.0 {
            0
        } else if scaled >= 10.0 || unit == Unit::Mean {
            1
        } else {
            2
        };
        let space = if name.is_empty() { "" } else { " " };
        write!(f, "{scaled:.digits$}{space}{name}")
    }
}

/// For whoever waits.
#[allow(clippy::print_stderr)]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
