//! How often a client may do something.

use std::time::{Duration, Instant};

/// Lets `per_second` things through in a second, that many of them at once at most.
#[derive(Debug)]
pub(crate) struct Rate {
    /// What one thing takes of the time.
    each: Duration,
    /// When everything that was let through so far has been worked off.
    due: Instant,
}

/// How much may be used up ahead of its time.
const AHEAD: Duration = Duration::from_secs(1);

impl Rate {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { each: AHEAD / per_second.max(1), due: now }
    }

    /// Whether one more may pass now; one that may not does not count.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let due = self.due.max(now) + self.each;
        let admitted = due <= now + AHEAD;
        if admitted {
            self.due = due;
        }
        admitted
    }

    /// Whether it is as if nothing had ever passed.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.due <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_passes_at_once_and_then_as_time_goes_by() {
        let start = Instant::now();
        let mut rate = Rate::new(20, start);
        let passed = |rate: &mut Rate, at| (0..100).filter(|_| rate.admits(start + at)).count();
        assert_eq!(passed(&mut rate, Duration::ZERO), 20);
        assert_eq!(passed(&mut rate, Duration::from_millis(500)), 10);
        assert_eq!(passed(&mut rate, Duration::from_mins(1)), 20);
    }
}
