//! Who is present in one group: connections counted per user, and the net changes since
//! the last flush. Pure: no I/O, no clock, no lock.

mod member;
mod pace;
mod roll;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Instant,
};

use indexmap::{IndexMap, map::Entry};
use serde_json::value::RawValue;

pub use self::member::Member;
use self::pace::Paces;
pub(crate) use self::roll::Roll;
use crate::{connection::ConnectionId, user::UserId};

/// The versioned members of one group.
///
/// `seats` is the truth of this moment. What subscribers have been told is `roll`, and
/// `untold` is the difference of the two. A version counts one change told.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    version: u64,
    roll: Roll,
    last_key: u64,
    seats: HashMap<UserId, Seat>,
    /// Seats that somebody can see: those with a member.
    visible: usize,
    /// The users who are not as subscribers were told, so that changes of one user between
    /// two flushes become one, or none.
    untold: Changed,
    paces: Paces,
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

/// The users who are not as subscribers were told.
#[derive(Debug, Default)]
struct Changed {
    users: IndexMap<UserId, Untold>,
    /// How many of them are held back, and until when the first of them is. That may be
    /// earlier than needed, where its change came to nothing.
    held: usize,
    first_held: Option<Instant>,
}

/// What subscribers were told of a user, where that has changed since.
#[derive(Debug)]
struct Untold {
    told: Option<Member>,
    /// What was there last, where nothing is now: for a user who comes back at once.
    last: Option<Member>,
    /// It is not told before then, since the user comes and goes too often.
    not_before: Option<Instant>,
}

/// What happened to a member, between what was told before and what is true now.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Joined(Member),
    Left(Member),
    Updated(Member),
}

/// What a join has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seated {
    /// The user had no seat.
    New,
    /// The user had none, and is shown as before, since nobody has been told of the leave.
    Back,
    /// The user had one by a grace alone, and has a connection again.
    Returned,
    /// The user had one.
    Already,
}

/// Who is present at one moment: what was told, and what has changed since. It is looked at
/// without the group's lock.
#[derive(Debug)]
pub(crate) struct Present {
    told: Roll,
    /// The key under which a user was told to be there, and who is there now.
    changed: Vec<(Option<u64>, Option<Member>)>,
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
    /// Whether `join` wants a payload for this user. One who has left and is back before
    /// anybody was told is shown as before, and asked for again all the same: what was said
    /// of the user before may no longer hold.
    pub(crate) fn wants_payload(&self, user: &UserId) -> bool {
        !self.contains(user)
    }

    /// Counts a connection of `user` in.
    pub(crate) fn join(&mut self, connection: ConnectionId, user: &UserId) -> Seated {
        let new = !self.seats.contains_key(user);
        let seat = self.seats.entry(user.clone()).or_default();
        let returned = !new && seat.connections.is_empty();
        if !seat.connections.contains(&connection) {
            seat.connections.push(connection);
        }
        if let Some(deadline) = seat.grace.take() {
            self.graces.remove(&(deadline, user.clone()));
            self.cancelled += u64::from(returned);
        }
        // Back before anybody was told: nothing has happened.
        let last = self.untold.users.get(user).and_then(|untold| untold.last.clone());
        if seat.member.is_none()
            && let Some(last) = last
        {
            self.visible += 1;
            self.cancelled += self.untold.change(&self.paces, None, Some(&last));
            seat.member = Some(last);
            return Seated::Back;
        }
        match (new, returned) {
            (true, _) => Seated::New,
            (false, true) => Seated::Returned,
            (false, false) => Seated::Already,
        }
    }

    /// Shows a user who has a seat like this from now on, unless what is shown was asked
    /// for later.
    pub(crate) fn show(&mut self, user: &UserId, answer: Answer) {
        let Some(seat) = self.seats.get_mut(user) else {
            return;
        };
        let key = match &seat.member {
            Some(before) if before.asked() > answer.asked => return,
            Some(before) => before.key(),
            None => {
                self.last_key += 1;
                self.visible += 1;
                self.last_key
            }
        };
        let member = Member::new(user.clone(), key, answer);
        self.cancelled += self.untold.change(&self.paces, seat.member.as_ref(), Some(&member));
        seat.member = Some(member);
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

    /// Until when a user without a connection stays.
    pub(crate) fn grace_of(&self, user: &UserId) -> Option<Instant> {
        self.seats.get(user).filter(|seat| seat.connections.is_empty())?.grace
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
            self.cancelled += self.untold.change(&self.paces, Some(&member), None);
        }
    }

    /// Takes the net changes since the last call, save those that are held back; the
    /// roster's version moves on by one for each, in this order.
    pub(crate) fn take_changes(&mut self, now: Instant) -> Vec<Change> {
        let untold = self.untold.take(now);
        let mut changes = Vec::with_capacity(untold.len());
        for (user, Untold { told, .. }) in untold {
            let is = self.seats.get(&user).and_then(|seat| seat.member.clone());
            let change = match (told, is) {
                (None, Some(member)) => {
                    self.paces.joined(&user, now);
                    self.roll.insert(member.clone());
                    Change::Joined(member)
                }
                // One who is back is the same member, under the same key.
                (Some(_), Some(member)) => {
                    self.roll.replace(member.clone());
                    Change::Updated(member)
                }
                (Some(member), None) => {
                    self.paces.left(&user, now);
                    self.roll.remove(member.key());
                    Change::Left(member)
                }
                (None, None) => continue,
            };
            changes.push(change);
        }
        self.version += changes.len() as u64;
        changes
    }

    /// How many changes came to nothing since the last call: a user was back within the
    /// grace, or before anybody was told of the leave, or gone before the join was.
    pub(crate) fn take_cancelled(&mut self) -> u64 {
        std::mem::take(&mut self.cancelled)
    }

    /// Whether there are changes that are to be told now.
    pub(crate) fn has_changes(&self, now: Instant) -> bool {
        let held = &self.untold;
        held.users.len() > held.held || held.first_held.is_some_and(|at| at <= now)
    }

    /// When changes that are held back are to be told.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        self.untold.first_held
    }

    /// The number of the last change told.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Everybody who was present at the last flush, in order of joining: what belongs to
    /// [`version`](Self::version).
    pub(crate) fn told(&self) -> &Roll {
        &self.roll
    }

    /// Everybody who is present now.
    pub(crate) fn now(&self) -> Present {
        let changed = self.untold.users.iter().map(|(user, untold)| {
            let is = self.seats.get(user).and_then(|seat| seat.member.clone());
            (untold.told.as_ref().map(Member::key), is)
        });
        Present { told: self.roll.clone(), changed: changed.collect() }
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
        self.seats.is_empty() && self.untold.users.is_empty()
    }
}

impl Changed {
    /// Notes that a member has taken the place of another, or of nothing. Gives how many
    /// changes have come to nothing by this.
    fn change(&mut self, paces: &Paces, before: Option<&Member>, now: Option<&Member>) -> u64 {
        let Some(member) = now.or(before).filter(|_| now != before) else {
            return 0;
        };
        match self.users.entry(member.id().clone()) {
            Entry::Vacant(entry) => {
                let not_before = paces.not_before(member.id());
                self.held += usize::from(not_before.is_some());
                self.first_held = self.first_held.into_iter().chain(not_before).min();
                let told = before.cloned();
                entry.insert(Untold { last: told.clone(), told, not_before });
            }
            Entry::Occupied(entry) if entry.get().told.as_ref() == now => {
                let untold = entry.swap_remove();
                self.held -= usize::from(untold.not_before.is_some());
                if self.held == 0 {
                    self.first_held = None;
                }
                return 1;
            }
            Entry::Occupied(mut entry) => entry.get_mut().last = before.cloned(),
        }
        0
    }

    /// Takes those out that are to be told now.
    fn take(&mut self, now: Instant) -> IndexMap<UserId, Untold> {
        let mut users = std::mem::take(&mut self.users);
        (self.held, self.first_held) = (0, None);
        if users.values().any(|untold| untold.not_before.is_some_and(|at| at > now)) {
            for (user, untold) in std::mem::take(&mut users) {
                let until = untold.not_before.filter(|at| *at > now);
                self.held += usize::from(until.is_some());
                self.first_held = self.first_held.into_iter().chain(until).min();
                if until.is_some() { &mut self.users } else { &mut users }.insert(user, untold);
            }
        }
        users
    }
}

impl Present {
    /// Everybody, in order of joining.
    pub(crate) fn members(self) -> Vec<Member> {
        let Self { told, changed } = self;
        if changed.is_empty() {
            return told.members().cloned().collect();
        }
        let gone: HashSet<u64> = changed.iter().filter_map(|(told, _)| *told).collect();
        let stayed = told.members().filter(|member| !gone.contains(&member.key())).cloned();
        let mut members: Vec<_> = stayed.collect();
        members.extend(changed.into_iter().filter_map(|(_, is)| is));
        members.sort_by_key(Member::key);
        members
    }
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
