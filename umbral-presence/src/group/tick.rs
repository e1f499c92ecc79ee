//! When a group may tell its subscribers of changes: at once in a quiet group, then once in a
//! tick.

use std::time::{Duration, Instant};

/// How many times as much it costs to write a change to a socket as to queue it. The tasks of the
/// readers write. Measured with rooms of 5,000 and 9,000: 0.38 µs to queue, 10 µs in all.
const WRITING: u32 = 25;

/// Telling a group may take up to one part in five of one core.
const SHARE: u32 = 5;

/// So a tick lasts so many times as long as the flush before it took.
const TIMES: u32 = (1 + WRITING) * SHARE;

/// The longest tick with up to [`MANY`] subscribers: a change is told within 250 ms.
const SOON: Duration = Duration::from_millis(190);

/// With more subscribers than this, the longest tick grows with their number.
const MANY: u32 = 10_000;

/// The pace of one group.
#[derive(Debug)]
pub(super) struct Tick {
    /// The shortest.
    least: Duration,
    /// What the last flush cost.
    last_cost: Duration,
    /// Until when changes are gathered.
    over_at: Option<Instant>,
}

impl Tick {
    pub(super) fn new(least: Duration) -> Self {
        Self { least, last_cost: Duration::ZERO, over_at: None }
    }

    /// Whether changes may be told now.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.over_at.is_none_or(|at| at <= now)
    }

    /// When changes may be told, if that has been put off.
    pub(super) fn over_at(&self) -> Option<Instant> {
        self.over_at
    }

    /// Begins with a flush that told changes to so many subscribers, from `begun` until `now`. It
    /// took `cost` of that time. The rest counts too, since changes wait from `begun` on.
    pub(super) fn begin(
        &mut self,
        begun: Instant,
        now: Instant,
        cost: Duration,
        subscribers: usize,
    ) {
        let before = std::mem::replace(&mut self.last_cost, cost);
        let over_at = begun + growth(before, cost, subscribers);
        self.over_at = Some(over_at.max(now + self.least));
    }

    /// Begins with a flush without changes, which does not show what changes cost. A longer tick
    /// goes on: a watcher inside the application does not wait for its end.
    pub(super) fn begin_without_changes(&mut self, now: Instant) {
        self.over_at = self.over_at.max(Some(now + self.least));
    }
}

/// How long a tick is to last by what the last two flushes have cost. The lesser of them counts,
/// since the machine may have put the other one aside.
fn growth(before: Duration, cost: Duration, subscribers: usize) -> Duration {
    let rooms = u32::try_from(subscribers).unwrap_or(u32::MAX).div_ceil(MANY).max(1);
    (cost.min(before) * TIMES).min(SOON.saturating_mul(rooms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telling_takes_a_fifth_of_a_core_with_the_writing_counted() {
        let usual = Duration::from_millis(1);
        assert_eq!(growth(usual, usual, 9_000), Duration::from_millis(130));
    }

    #[test]
    fn a_process_that_stood_still_while_it_told_keeps_nobody_waiting() {
        let (usual, stood_still) = (Duration::from_millis(1), Duration::from_secs(10));
        let tick = growth(usual, usual, 1000);
        assert_eq!(growth(usual, stood_still, 1000), tick);
        assert_eq!(growth(stood_still, usual, 1000), tick);
        assert_eq!(growth(stood_still, stood_still, 1000), SOON);
    }

    #[test]
    fn a_delivery_that_takes_long_puts_the_next_one_off_by_no_more() {
        let (start, least) = (Instant::now(), Duration::from_millis(25));
        let mut tick = Tick::new(least);
        let cost = Duration::from_secs(1);
        for (took, over_at) in [(150, 190), (400, 425)] {
            tick.begin(start, start, cost, 10_000);
            tick.begin(start, start + Duration::from_millis(took), cost, 10_000);
            assert_eq!(tick.over_at(), Some(start + Duration::from_millis(over_at)));
        }
    }

    #[test]
    fn snapshots_between_changes_make_changes_come_no_sooner() {
        let start = Instant::now();
        let mut tick = Tick::new(Duration::from_millis(25));
        let cost = Duration::from_millis(1);
        tick.begin_without_changes(start);
        assert_eq!(tick.over_at(), Some(start + Duration::from_millis(25)));
        for _ in 0..2 {
            tick.begin_without_changes(start);
            tick.begin(start, start, cost, 5000);
        }
        assert_eq!(tick.over_at(), Some(start + TIMES * cost));
        tick.begin_without_changes(start);
        assert_eq!(tick.over_at(), Some(start + TIMES * cost), "the tick goes on");
    }

    #[test]
    fn the_tick_of_a_room_of_very_many_grows_with_them() {
        let cost = Duration::from_millis(100);
        assert_eq!(growth(cost, cost, 10_000), SOON);
        assert_eq!(growth(cost, cost, 1_000_000), TIMES * cost);
    }
}
