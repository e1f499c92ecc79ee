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
/// the last flush: `seats` with `pending` undone. A version counts one change told.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    version: u64,
    last_key: u64,
    seats: HashMap<UserId, Seat>,
    /// Seats that somebody can see: those with a member.
    visible: usize,
    /// The net change per user since the last flush, so that a join and a leave of one
    /// user cancel.
    pending: IndexMap<UserId, Change>,
    /// When users without a connection are to go, soonest first.
    graces: BTreeSet<(Instant, UserId)>,
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

/// What happened to a member.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Joined(Member),
    Left(Member),
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
        let seated = self.seats.get(user).is_some_and(|seat| seat.member.is_some());
        !seated && !matches!(self.pending.get(user), Some(Change::Left(_)))
    }

    /// Counts a connection of `user` in; the payload is used where the user becomes
    /// visible by it. Says whether the user had no seat before.
    pub(crate) fn join(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        payload: Option<Box<RawValue>>,
    ) -> bool {
        let new = !self.seats.contains_key(user);
        let seat = self.seats.entry(user.clone()).or_default();
        if !seat.connections.contains(&connection) {
            seat.connections.push(connection);
        }
        if let Some(deadline) = seat.grace.take() {
            self.graces.remove(&(deadline, user.clone()));
        }
        if seat.member.is_none() {
            match self.pending.entry(user.clone()) {
                // Back before anybody was told: nothing has happened.
                Entry::Occupied(entry) if matches!(entry.get(), Change::Left(_)) => {
                    seat.member = Some(entry.swap_remove().into_member());
                    self.visible += 1;
                }
                Entry::Occupied(_) | Entry::Vacant(_) => {
                    if let Some(payload) = payload {
                        self.show(user, payload);
                    }
                }
            }
        }
        new
    }

    /// Shows a user who has a seat and is not shown yet.
    pub(crate) fn show(&mut self, user: &UserId, payload: Box<RawValue>) {
        let Some(seat) = self.seats.get_mut(user).filter(|seat| seat.member.is_none()) else {
            return;
        };
        self.last_key += 1;
        let member = Member::new(user.clone(), self.last_key, payload);
        self.pending.insert(user.clone(), Change::Joined(member.clone()));
        seat.member = Some(member);
        self.visible += 1;
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
        let Some(member) = seat.member else {
            return;
        };
        self.visible -= 1;
        match self.pending.entry(user.clone()) {
            // Gone before anybody was told: nothing has happened.
            Entry::Occupied(entry) => {
                entry.swap_remove();
            }
            Entry::Vacant(entry) => {
                entry.insert(Change::Left(member));
            }
        }
    }

    /// Takes the net changes since the last call; the roster's version moves on by one
    /// for each, in this order.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.version += self.pending.len() as u64;
        self.pending.drain(..).map(|(_, change)| change).collect()
    }

    /// Whether there are changes that nobody has been told.
    pub(crate) fn has_changes(&self) -> bool {
        !self.pending.is_empty()
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
        members.retain(|member| !matches!(self.pending.get(member.id()), Some(Change::Joined(_))));
        members.extend(self.pending.values().filter_map(|change| match change {
            Change::Left(member) => Some(member.clone()),
            Change::Joined(_) => None,
        }));
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

    /// When the next grace is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.graces.first().map(|(deadline, _)| *deadline)
    }

    /// Whether nobody has a seat and nothing is left to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.pending.is_empty()
    }
}

impl Change {
    pub(crate) fn member(&self) -> &Member {
        match self {
            Self::Joined(member) | Self::Left(member) => member,
        }
    }

    fn into_member(self) -> Member {
        match self {
            Self::Joined(member) | Self::Left(member) => member,
        }
    }
}

#[cfg(test)]
mod tests;
