//! The rules of `grace`.

use std::time::Duration;

use syn::LitStr;

use crate::{diag::Problems, name::MAX_GRACE};

/// A grace is digits and a unit, and at most ten minutes. Returns it if that holds.
pub(crate) fn duration(text: &LitStr, problems: &mut Problems) -> Option<Duration> {
    let value = text.value();
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &value[..value.len() - unit.len()];
    let count = digits.parse::<u64>().ok();
    let duration = match (count, unit) {
        (Some(count), "ms") => Some(Duration::from_millis(count)),
        (Some(count), "s") => Some(Duration::from_secs(count)),
        (Some(count), "m") => count.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    let fault = match (duration, unit) {
        (Some(duration), _) if duration > MAX_GRACE => "is over ten minutes",
        (Some(duration), _) => return Some(duration),
        (None, "") if count.is_some() => "has no unit",
        (None, unit) if unit.starts_with('-') => "is negative",
        _ => "is not a duration",
    };
    let message =
        format!("{value:?} {fault}; write `\"500ms\"`, `\"2s\"` or `\"1m\"`, at most `\"10m\"`");
    problems.at(text, message);
    None
}
