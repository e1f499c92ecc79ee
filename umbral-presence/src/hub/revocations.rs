//! Which answers have gone out of date while they were waited for.

use std::sync::atomic::{AtomicU64, Ordering};

use super::moments::LastMoments;
use crate::name::{GroupName, SessionId, UserId};

/// How many users and groups share one place by chance: too many would have each other's
/// questions asked again, which costs time and nothing else.
const PLACES: usize = 4096;

/// When the application was asked something, among all that it is asked: no two questions have
/// the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// After all that there has been and will be.
    pub(crate) const END: Self = Self(u64::MAX);
}

/// An answer of the identity resolver or of the policy is older than a revocation of the
/// user or the group that it is about: ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outdated;

/// What is revoked.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Subject<'a> {
    /// A user's identity, or rights in whatever group.
    User(&'a UserId),
    /// One sign-in of a user.
    Session(&'a SessionId),
    /// Everybody's rights in a group.
    Group(&'a GroupName),
}

/// When each user and each group were last revoked.
///
/// A question to the application takes its moment first, and the moment is checked when the answer
/// is used. So a handshake that was under way when its user was sent away does not bring the user
/// back.
#[derive(Debug)]
pub(crate) struct Revocations {
    clock: AtomicU64,
    /// The last revocation of those who share a place.
    last: LastMoments,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { clock: AtomicU64::new(0), last: LastMoments::new(PLACES) }
    }
}

impl Revocations {
    /// To be taken before the application is asked.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.clock.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Answers about `subject` that were asked for before this are stale.
    pub(crate) fn revoke(&self, subject: Subject<'_>) {
        self.overrule(subject, self.now());
    }

    /// Answers about `subject` that were asked for before `moment` are stale: the one that was
    /// asked for then is a no.
    pub(super) fn overrule(&self, subject: Subject<'_>, Moment(moment): Moment) {
        self.last.note(subject, moment);
    }

    /// Whether what the application, asked at `moment`, said of `user` in these groups still
    /// holds. An anonymous visitor's rights are revoked with the group.
    pub(crate) fn check<'a>(
        &self,
        user: Option<&'a UserId>,
        groups: impl IntoIterator<Item = &'a GroupName>,
        moment: Moment,
    ) -> Result<(), Outdated> {
        let user = user.map(Subject::User).into_iter();
        let mut subjects = user.chain(groups.into_iter().map(Subject::Group));
        if subjects.any(|subject| self.is_stale(subject, moment)) { Err(Outdated) } else { Ok(()) }
    }

    /// Whether what the identity resolver, asked at `moment`, said of a session still holds.
    pub(crate) fn check_session(
        &self,
        session: Option<&SessionId>,
        moment: Moment,
    ) -> Result<(), Outdated> {
        let is_stale = session.is_some_and(|it| self.is_stale(Subject::Session(it), moment));
        if is_stale { Err(Outdated) } else { Ok(()) }
    }

    fn is_stale(&self, subject: Subject<'_>, Moment(moment): Moment) -> bool {
        self.last.last(subject) > moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_revocation_is_stale() {
        let (revocations, user) = (Revocations::default(), UserId::new("7").unwrap());
        let before = revocations.now();
        assert_eq!(revocations.check(Some(&user), [], before), Ok(()));
        revocations.revoke(Subject::User(&user));
        assert_eq!(revocations.check(Some(&user), [], before), Err(Outdated));
        assert_eq!(revocations.check(Some(&user), [], revocations.now()), Ok(()));
        assert_eq!(revocations.check(None, [], before), Ok(()));
    }

    #[test]
    fn what_was_said_of_a_group_before_it_was_revoked_is_stale_for_everybody() {
        let (revocations, user) = (Revocations::default(), UserId::new("7").unwrap());
        let group = GroupName::new("room:1").unwrap();
        let before = revocations.now();
        revocations.revoke(Subject::Group(&group));
        for user in [Some(&user), None] {
            assert_eq!(revocations.check(user, [&group], before), Err(Outdated));
            assert_eq!(revocations.check(user, [&group], revocations.now()), Ok(()));
            assert_eq!(revocations.check(user, [], before), Ok(()));
        }
    }
}
