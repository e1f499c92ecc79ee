//! How fast a group is told of one user's coming and going: at once a few times, then at a
//! steady slow pace, so that a user who joins and leaves without end costs the others next to
//! nothing. What is held back is still true when it is told, since changes of a user become
//! one.

use std::time::{Duration, Instant};

use crate::{hash::KeyedMap, name::UserId};

/// So many changes of a user are told without a pause: five visits that follow one another.
const FREE: u32 = 10;

/// After that, one in this time. A user who changes less often than that is never held back.
const EACH: Duration = Duration::from_secs(2);

/// The users of one group who have left lately. A user who only joins is not among them, so
/// that a crowd that comes in costs nothing here.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    users: KeyedMap<UserId, Pace>,
    /// How many there were after the last look for those who are forgiven.
    kept: usize,
    /// When to look for them again, if there are many.
    look_at: Option<Instant>,
}

/// It does not pay to look for those who are forgiven among fewer users.
const FEW: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Pace {
    /// When all that was told is forgiven, [`EACH`] for each change.
    forgiven: Instant,
    /// Before then the next change is not told.
    not_before: Option<Instant>,
}

impl Paces {
    /// Before when the next change of a user is not told.
    pub(crate) fn not_before(&self, user: &UserId) -> Option<Instant> {
        if self.users.is_empty() {
            return None;
        }
        self.users.get(user)?.not_before
    }

    /// A join of this user has been told.
    pub(crate) fn joined(&mut self, user: &UserId, now: Instant) {
        if !self.users.is_empty()
            && let Some(pace) = self.users.get_mut(user)
        {
            pace.count(now);
        }
    }

    /// A leave of this user has been told.
    pub(crate) fn left(&mut self, user: &UserId, now: Instant) {
        let new = Pace { forgiven: now, not_before: None };
        self.users.entry(user.clone()).or_insert(new).count(now);
        if self.users.len() > 2 * self.kept + FEW {
            self.forget(now);
        }
    }

    /// When to [look](Self::look) for those who are forgiven.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Forgets those who are forgiven, when it is time to.
    pub(crate) fn look(&mut self, now: Instant) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.forget(now);
        }
    }

    /// How many users there is room for.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        self.users.capacity()
    }

    fn forget(&mut self, now: Instant) {
        self.users.retain(|_, pace| pace.forgiven > now);
        self.kept = self.users.len();
        // A crowd that has gone leaves no table behind.
        self.users.shrink_to(2 * self.kept);
        self.look_at = (self.kept > FEW).then(|| now + FREE * EACH);
    }
}

impl Pace {
    fn count(&mut self, now: Instant) {
        self.forgiven = self.forgiven.max(now) + EACH;
        let next = self.forgiven + EACH;
        self.not_before = (next > now + FREE * EACH).then(|| next - FREE * EACH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_user_who_flaps_is_told_of_ten_times_and_then_every_two_seconds() {
        let (mut paces, mut now) = (Paces::default(), Instant::now());
        let end = now + Duration::from_mins(1);
        let mut told = 0;
        while now < end {
            // Changes come as fast as they can be told.
            paces.left(&user("7"), now);
            told += 1;
            now = paces.not_before(&user("7")).unwrap_or(now) + Duration::from_millis(25);
        }
        assert!((38..=42).contains(&told), "{told} changes in a minute");
    }

    #[test]
    fn who_comes_and_goes_now_and_then_is_told_of_at_once() {
        let (mut paces, mut now) = (Paces::default(), Instant::now());
        for _ in 0..100 {
            paces.left(&user("7"), now);
            paces.joined(&user("7"), now);
            now += 2 * EACH;
            assert_eq!(paces.not_before(&user("7")), None);
        }
    }

    #[test]
    fn those_who_have_gone_for_good_are_forgotten() {
        let (mut paces, mut now) = (Paces::default(), Instant::now());
        for n in 0..10_000 {
            paces.left(&user(&n.to_string()), now);
            now += Duration::from_secs(1);
        }
        assert!(paces.users.len() < 200, "{}", paces.users.len());
    }
}
