//! What the figures were measured on.

use std::{fs, process::Command, thread::available_parallelism};

/// Processor, cores, kernel and day, as far as the system tells.
pub(crate) fn description() -> String {
    let cores = available_parallelism().map_or(0, usize::from);
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |name| name.trim_start_matches([':', '\t', ' ']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let day = Command::new("date").arg("-I").output().map(|output| output.stdout);
    let day = String::from_utf8(day.unwrap_or_default()).unwrap_or_default();
    format!("{cores} cores of {model}, Linux {}, {}", kernel.trim(), day.trim())
}
