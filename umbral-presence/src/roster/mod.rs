//! Who is present in one group: connections counted per user, and the net changes since
//! the last flush. Pure: no I/O, no clock, no lock.

mod member;

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use indexmap::{IndexMap, map::Entry};
use serde_json::value::RawValue;

pub use self::member::Member;
use crate::{connection::ConnectionId, user::UserId};

/// The versioned members of one group.
///
/// `seats` is the truth of this moment. What subscribers have been told is the truth of
/// the last flush: `seats` with `untold` undone. A version counts one change told.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    version: u64,
    last_key: u64,
    seats: HashMap<UserId, Seat>,
    /// Seats that somebody can see: those with a member.
    visible: usize,
    /// The users who are not as subscribers were told, so that changes of one user between
    /// two flushes become one, or none.
    untold: IndexMap<UserId, Untold>,
    /// When users without a connection are to go, soonest first.
    graces: BTreeSet<(Instant, UserId)>,
    /// Changes that came to nothing since the last look.
    cancelled: u64,
}

/// One user's place in the group.
#[derive(Debug, Default)]
struct Seat {
    /// By id, not by number alone: a stale goodbye must not count for a newer connection.
    connections: Vec<ConnectionId>,
    /// Until when the user stays although the last connection was lost.
    grace: Option<Instant>,
    /// `None` until the resolver has succeeded.
    member: Option<Member>,
}

/// What a resolver has said of a user.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Box<RawValue>,
    pub(crate) asked: Asked,
}

/// Orders questions to resolvers: an answer never takes the place of one that was asked for
/// later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked(pub(crate) u64);

/// What subscribers were told of a user, where that has changed since.
#[derive(Debug)]
struct Untold {
    told: Option<Member>,
    /// What was there last, where nothing is now: for a user who comes back at once.
    last: Option<Member>,
}

/// What happened to a member, between what was told before and what is true now.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Joined(Member),
    Left(Member),
    Updated(Member),
}

/// How a connection leaves a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// It said so: its user leaves at once.
    Goodbye,
    /// It broke off: its user stays until then, for it may be a reload.
    Lost { until: Instant },
}

impl Roster {
    /// Whether `join` wants a payload for this user.
    pub(crate) fn wants_payload(&self, user: &UserId) -> bool {
        !self.contains(user) && self.untold.get(user).is_none_or(|untold| untold.last.is_none())
    }

    /// Counts a connection of `user` in. Says whether the user had no seat before.
    pub(crate) fn join(&mut self, connection: ConnectionId, user: &UserId) -> bool {
        let new = !self.seats.contains_key(user);
        let seat = self.seats.entry(user.clone()).or_default();
        if !seat.connections.contains(&connection) {
            seat.connections.push(connection);
        }
        if let Some(deadline) = seat.grace.take() {
            self.graces.remove(&(deadline, user.clone()));
            self.cancelled += u64::from(seat.connections.len() == 1);
        }
        // Back before anybody was told: nothing has happened.
        if seat.member.is_none()
            && let Some(last) = self.untold.get(user).and_then(|untold| untold.last.clone())
        {
            self.visible += 1;
            self.cancelled += changed(&mut self.untold, None, Some(&last));
            seat.member = Some(last);
        }
        new
    }

    /// Shows a user who has a seat and is not shown yet.
    pub(crate) fn show(&mut self, user: &UserId, answer: Answer) {
        if let Some(seat) = self.seats.get_mut(user).filter(|seat| seat.member.is_none()) {
            self.last_key += 1;
            let member = Member::new(user.clone(), self.last_key, answer);
            self.visible += 1;
            self.cancelled += changed(&mut self.untold, None, Some(&member));
            seat.member = Some(member);
        }
    }

    /// Shows a user who has a seat like this from now on, unless what is shown was asked
    /// for later.
    pub(crate) fn update(&mut self, user: &UserId, answer: Answer) {
        let Some(seat) = self.seats.get_mut(user) else {
            return;
        };
        let Some(before) = &seat.member else {
            return self.show(user, answer);
        };
        if before.asked() <= answer.asked {
            let member = Member::new(user.clone(), before.key(), answer);
            self.cancelled += changed(&mut self.untold, Some(before), Some(&member));
            seat.member = Some(member);
        }
    }

    /// Counts a connection of `user` out. Says whether the user's seat is gone.
    pub(crate) fn leave(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        farewell: Farewell,
        now: Instant,
    ) -> bool {
        let Some(seat) = self.seats.get_mut(user) else {
            return false;
        };
        let Some(at) = seat.connections.iter().position(|&id| id == connection) else {
            return false;
        };
        seat.connections.swap_remove(at);
        if let Farewell::Lost { until } = farewell
            && until > now
            && seat.grace.is_none_or(|grace| grace < until)
        {
            if let Some(earlier) = seat.grace.replace(until) {
                self.graces.remove(&(earlier, user.clone()));
            }
            self.graces.insert((until, user.clone()));
        }
        seat.connections.is_empty() && seat.grace.is_none_or(|until| until <= now) && {
            self.vacate(user);
            true
        }
    }

    /// Ends the graces that are over. Gives the users whose seats are gone.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<UserId> {
        let mut gone = Vec::new();
        while let Some((deadline, _)) = self.graces.first()
            && *deadline <= now
        {
            let Some((_, user)) = self.graces.pop_first() else {
                break;
            };
            let Some(seat) = self.seats.get_mut(&user) else {
                continue;
            };
            seat.grace = None;
            if seat.connections.is_empty() {
                self.vacate(&user);
                gone.push(user);
            }
        }
        gone
    }

    /// Ends the grace of `user`, who goes at once where no connection is left. Says whether
    /// the seat is gone.
    pub(crate) fn evict(&mut self, user: &UserId) -> bool {
        let Some(seat) = self.seats.get_mut(user) else {
            return false;
        };
        if let Some(deadline) = seat.grace.take() {
            self.graces.remove(&(deadline, user.clone()));
        }
        let alone = seat.connections.is_empty();
        if alone {
            self.vacate(user);
        }
        alone
    }

    fn vacate(&mut self, user: &UserId) {
        let Some(seat) = self.seats.remove(user) else {
            return;
        };
        if let Some(deadline) = seat.grace {
            self.graces.remove(&(deadline, user.clone()));
        }
        if let Some(member) = seat.member {
            self.visible -= 1;
            self.cancelled += changed(&mut self.untold, Some(&member), None);
        }
    }

    /// Takes the net changes since the last call; the roster's version moves on by one
    /// for each, in this order.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.untold.len());
        for (user, Untold { told, .. }) in self.untold.drain(..) {
            let now = self.seats.get(&user).and_then(|seat| seat.member.clone());
            changes.extend(match (told, now) {
                (None, Some(member)) => Some(Change::Joined(member)),
                (Some(_), Some(member)) => Some(Change::Updated(member)),
                (Some(member), None) => Some(Change::Left(member)),
                (None, None) => None,
            });
        }
        self.version += changes.len() as u64;
        changes
    }

    /// How many changes came to nothing since the last call: a user was back within the
    /// grace, or before anybody was told of the leave, or gone before the join was.
    pub(crate) fn take_cancelled(&mut self) -> u64 {
        std::mem::take(&mut self.cancelled)
    }

    /// Whether there are changes that nobody has been told.
    pub(crate) fn has_changes(&self) -> bool {
        !self.untold.is_empty()
    }

    /// The number of the last change told.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Everybody who is present now, in order of joining.
    pub(crate) fn members(&self) -> Vec<Member> {
        let mut members: Vec<_> = self.seats.values().filter_map(|s| s.member.clone()).collect();
        members.sort_unstable_by_key(Member::key);
        members
    }

    /// Everybody who was present at the last flush, in order of joining: what belongs to
    /// [`version`](Self::version).
    pub(crate) fn told(&self) -> Vec<Member> {
        let mut members = self.members();
        members.retain(|member| !self.untold.contains_key(member.id()));
        members.extend(self.untold.values().filter_map(|untold| untold.told.clone()));
        members.sort_unstable_by_key(Member::key);
        members
    }

    /// How many are present now.
    pub(crate) fn count(&self) -> usize {
        self.visible
    }

    pub(crate) fn contains(&self, user: &UserId) -> bool {
        self.seats.get(user).is_some_and(|seat| seat.member.is_some())
    }

    /// Whether a user has a seat and is not shown yet.
    pub(crate) fn is_hidden(&self, user: &UserId) -> bool {
        self.seats.get(user).is_some_and(|seat| seat.member.is_none())
    }

    /// When the next grace is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.graces.first().map(|(deadline, _)| *deadline)
    }

    /// Whether nobody has a seat and nothing is left to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.untold.is_empty()
    }
}

/// Keeps `untold` true where a member takes the place of another, or of nothing. Gives how
/// many changes have come to nothing by this.
fn changed(
    untold: &mut IndexMap<UserId, Untold>,
    before: Option<&Member>,
    now: Option<&Member>,
) -> u64 {
    let Some(member) = now.or(before).filter(|_| now != before) else {
        return 0;
    };
    match untold.entry(member.id().clone()) {
        Entry::Vacant(entry) => {
            entry.insert(Untold { told: before.cloned(), last: before.cloned() });
        }
        Entry::Occupied(entry) if entry.get().told.as_ref() == now => {
            entry.swap_remove();
            return 1;
        }
        Entry::Occupied(mut entry) => entry.get_mut().last = before.cloned(),
    }
    0
}

impl Change {
    pub(crate) fn member(&self) -> &Member {
        match self {
            Self::Joined(member) | Self::Left(member) | Self::Updated(member) => member,
        }
    }
}

#[cfg(test)]
mod tests;
