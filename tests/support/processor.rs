//! What this thread has used of a processor, which is the same whatever else the machine does.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long this thread has run so far.
///
/// # Panics
///
/// Never: the clock of a thread counts from zero.
#[must_use]
pub fn on_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a time after the thread's start")
}
