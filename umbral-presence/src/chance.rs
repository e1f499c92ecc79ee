//! What is left to chance.

use std::time::Duration;

/// A random part of a time, so that not everybody does something at once.
pub(crate) fn part_of(time: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    time.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// Any number at all.
#[cfg(feature = "redis")]
pub(crate) fn number() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}
