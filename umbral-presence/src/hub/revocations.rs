//! Which answers about a user have gone out of date while they were waited for.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::user::UserId;

/// How many users share one place by chance: too many would have each other's questions
/// asked again, which costs time and nothing else.
const PLACES: usize = 1024;

/// A moment, as [`Revocations`] counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// An answer of the identity resolver or of the policy is older than a revocation of the
/// user whom it is about: ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outdated;

/// When each user's identity or rights were last revoked.
///
/// Whoever asks the application takes the moment first and shows it when the answer is put
/// to use, so that a handshake that was under way when its user was sent away does not
/// bring the user back.
#[derive(Debug)]
pub(crate) struct Revocations {
    clock: AtomicU64,
    /// The last revocation of the users who share a place.
    last: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            clock: AtomicU64::new(0),
            last: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Revocations {
    /// To be taken before the application is asked.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.clock.load(Ordering::SeqCst))
    }

    /// Answers about `user` that were asked for before this are stale.
    pub(crate) fn revoke(&self, user: &UserId) {
        let moment = self.clock.fetch_add(1, Ordering::SeqCst) + 1;
        self.place(user).fetch_max(moment, Ordering::SeqCst);
    }

    /// Whether an answer about `user` that was asked for at `moment` still holds; there is
    /// nothing to revoke of an anonymous visitor.
    pub(crate) fn check(&self, user: Option<&UserId>, moment: Moment) -> Result<(), Outdated> {
        let revoked = user.map_or(0, |user| self.place(user).load(Ordering::SeqCst));
        if revoked > moment.0 { Err(Outdated) } else { Ok(()) }
    }

    fn place(&self, user: &UserId) -> &AtomicU64 {
        let places = self.last.len() as u64;
        let at = usize::try_from(self.hasher.hash_one(user) % places).unwrap_or_default();
        &self.last[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_revocation_is_stale() {
        let (revocations, user) = (Revocations::default(), UserId::new("7").unwrap());
        let before = revocations.now();
        assert_eq!(revocations.check(Some(&user), before), Ok(()));
        revocations.revoke(&user);
        assert_eq!(revocations.check(Some(&user), before), Err(Outdated));
        assert_eq!(revocations.check(Some(&user), revocations.now()), Ok(()));
        assert_eq!(revocations.check(None, before), Ok(()));
    }
}
