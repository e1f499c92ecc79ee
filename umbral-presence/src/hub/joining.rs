//! Connections joining and leaving groups.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use smallvec::SmallVec;

use super::{
    connection::Connection,
    core::Hub,
    effects::Effects,
    revocations::{Moment, Outdated},
    sign_in::SignIn,
    subscriptions::{Subscription, Subscriptions},
    users::User,
};
use crate::{
    clock::now,
    connection::log,
    group::GroupCell,
    hash::KeyedSet,
    name::{GroupName, UserId},
    roster::{Answer, Payload},
    spec::{PresenceSpec, resolver::Resolver},
    store::Seated,
    wakes::Wakes,
};

/// For how long nobody leaves after the last connections of a server that is going down have
/// been ended: while that is under way, those who are left must not see the others go.
pub(crate) const LINGER: Duration = Duration::from_secs(3);

/// What the policy has said of the groups that somebody wants to be in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// From before it was asked.
    pub(crate) asked: Moment,
    /// It was not asked about these, since the connection is in them.
    pub(crate) held: Vec<GroupName>,
    pub(crate) allowed: Vec<GroupName>,
    pub(crate) denied: Vec<GroupName>,
}

/// What a change of a connection's groups has come to.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// The number of the newest call that was heeded.
    pub(crate) number: u64,
    pub(crate) joined: Vec<GroupName>,
    /// Those of `joined` that have no presence.
    pub(crate) no_presence: Vec<GroupName>,
    pub(crate) left: Vec<GroupName>,
    pub(crate) denied: Vec<GroupName>,
}

/// Why a connection's groups were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// The connection has ended.
    Ended,
    /// What the policy has said no longer holds: ask again.
    Outdated,
}

impl From<Outdated> for Unchanged {
    fn from(_: Outdated) -> Self {
        Self::Outdated
    }
}

/// A group that a connection is about to join, with what the application says of it. That
/// is found out before anything is locked.
pub(super) struct Entrance {
    name: GroupName,
    /// The group, if there was one.
    cell: Option<Arc<GroupCell>>,
    spec: Option<Arc<PresenceSpec>>,
    /// The resolver was asked, and has answered or failed.
    asked: bool,
    answer: Option<Answer>,
}

/// Most requests are about one group.
pub(super) type Entrances = SmallVec<[Entrance; 1]>;

/// The groups among them that have no presence.
pub(super) fn without_presence(entrances: &[Entrance]) -> Vec<GroupName> {
    let without = entrances.iter().filter(|entrance| entrance.spec.is_none());
    without.map(|entrance| entrance.name.clone()).collect()
}

impl Hub {
    /// Whether a verdict about `user` still holds.
    pub(crate) fn check(&self, user: Option<&UserId>, verdict: &Verdict) -> Result<(), Outdated> {
        let asked_about = verdict.allowed.iter().chain(&verdict.denied);
        self.revocations.check(user, asked_about, verdict.asked)
    }

    /// The same of who has asked, session included.
    pub(crate) fn check_sign_in(
        &self,
        sign_in: Option<&SignIn>,
        verdict: &Verdict,
    ) -> Result<(), Outdated> {
        let session = SignIn::session_of(sign_in);
        self.revocations.check_session(session, verdict.asked)?;
        self.check(SignIn::user_of(sign_in), verdict)
    }

    /// Subscribes a connection to the groups that the policy has allowed, besides those that it
    /// holds, in which it must still be. One that has ended is in no group and joins none. `tell`
    /// gets those that have no presence and queues for the client that it is so, before anything
    /// can change that.
    pub(crate) fn subscribe(
        &self,
        connection: &Arc<Connection>,
        verdict: &Verdict,
        tell: impl FnOnce(&[GroupName], &mut Wakes),
    ) -> Result<(), Outdated> {
        let entrances = self.entrances(connection.user.as_ref(), &verdict.allowed);
        let without_presence = without_presence(&entrances);
        let (mut effects, mut unshown) = (self.effects(), Vec::new());
        {
            let mut subscriptions = connection.subscriptions.lock();
            self.check(connection.user(), verdict)?;
            if !verdict.held.iter().all(|name| subscriptions.get(name).is_some()) {
                return Err(Outdated);
            }
            for entrance in entrances {
                let (asked, unshown) = (verdict.asked, &mut unshown);
                self.join(connection, &mut subscriptions, entrance, asked, unshown, &mut effects);
            }
            tell(&without_presence, &mut effects.wakes);
        }
        drop(effects);
        self.show(connection.user.as_ref(), unshown);
        Ok(())
    }

    /// Takes a connection out of these groups; its user leaves them at once where it was
    /// the last connection there. Gives the groups that it was in.
    pub(crate) fn unsubscribe(
        &self,
        connection: &Arc<Connection>,
        names: &[GroupName],
    ) -> Vec<GroupName> {
        let mut effects = self.effects();
        let mut subscriptions = connection.subscriptions.lock();
        let mut left = Vec::new();
        for name in names {
            if let Some(left_now) = subscriptions.remove(name) {
                self.leave(&left_now, connection, true, &mut effects);
                left.push(name.clone());
            }
        }
        left
    }

    /// Takes a connection out of groups that the policy, asked at these moments, has not allowed,
    /// and tells the client so; nothing of these groups comes after that. Where the policy was
    /// asked later and has allowed a group the connection stays.
    pub(super) fn deny(&self, connection: &Arc<Connection>, names: &[(GroupName, Moment)]) {
        let mut effects = self.effects();
        let mut subscriptions = connection.subscriptions.lock();
        let mut denied = Vec::new();
        for (name, asked) in names {
            if subscriptions.get(name).is_some_and(|held| held.allowed < *asked)
                && let Some(subscription) = subscriptions.remove(name)
            {
                self.leave(&subscription, connection, true, &mut effects);
                log::denied(connection.user(), name);
                denied.push(name);
            }
        }
        if !denied.is_empty() {
            effects.wakes.add(self.queue_control(
                connection,
                "@denied",
                &json!({ "groups": denied }),
            ));
        }
    }

    /// Makes the groups that a connection holds and those that the policy has allowed the whole
    /// set of its groups, unless a newer call than `number` has been heeded. Those that it holds
    /// must still be there. One that is denied stays where the policy was asked later and has
    /// allowed it.
    pub(crate) fn replace(
        &self,
        connection: &Arc<Connection>,
        number: u64,
        verdict: &Verdict,
    ) -> Result<Replaced, Unchanged> {
        let Verdict { asked, held, allowed, denied } = verdict;
        let entrances = self.entrances(connection.user.as_ref(), allowed);
        let no_presence = without_presence(&entrances);
        let (mut joined, mut unshown) = (Vec::new(), Vec::new());
        let mut effects = self.effects();
        let mut subscriptions = connection.subscriptions.lock();
        if subscriptions.ended {
            return Err(Unchanged::Ended);
        }
        if number < subscriptions.number {
            return Ok(Replaced { number: subscriptions.number, ..Replaced::default() });
        }
        self.check(connection.user(), verdict)?;
        if !held.iter().all(|name| subscriptions.get(name).is_some()) {
            return Err(Unchanged::Outdated);
        }
        subscriptions.number = number;
        let is_denied =
            |name: &&GroupName| subscriptions.get(name).is_none_or(|held| held.allowed < *asked);
        let (denied, overruled): (Vec<_>, Vec<_>) = denied.iter().partition(is_denied);
        let wanted: KeyedSet<_> = held.iter().chain(allowed).chain(overruled).collect();
        let mut left: Vec<_> = subscriptions.names().cloned().collect();
        left.retain(|name| !wanted.contains(name));
        for name in &left {
            if let Some(subscription) = subscriptions.remove(name) {
                self.leave(&subscription, connection, true, &mut effects);
            }
        }
        for entrance in entrances {
            let name = entrance.name.clone();
            let (unshown, effects) = (&mut unshown, &mut effects);
            if self.join(connection, &mut subscriptions, entrance, *asked, unshown, effects) {
                joined.push(name);
            }
        }
        drop(subscriptions);
        drop(effects);
        self.show(connection.user.as_ref(), unshown);
        let denied = denied.into_iter().cloned().collect();
        Ok(Replaced { number, joined, no_presence, left, denied })
    }

    /// Has a connection take the snapshots of these groups once more, where it is in them.
    pub(crate) fn resync(&self, connection: &Connection, names: &[GroupName]) {
        let mut effects = self.effects();
        for name in names {
            effects.wakes.add(connection.resync(name));
        }
    }

    pub(super) fn entrances(&self, user: Option<&Arc<User>>, names: &[GroupName]) -> Entrances {
        names.iter().map(|name| self.entrance(user, name)).collect()
    }

    fn entrance(&self, user: Option<&Arc<User>>, name: &GroupName) -> Entrance {
        let cell = self.groups.get(name);
        let spec = match &cell {
            Some(cell) => cell.spec.clone(),
            None => self.matcher.owner(name),
        };
        let (mut asked, mut answer) = (false, None);
        if let (Some(spec), Some(user)) = (&spec, user) {
            (asked, answer) = match &spec.resolver {
                Resolver::IdOnly => (true, Some(Answer::id_only())),
                Resolver::Batch(_) => (false, None),
                _ if is_shown(user, name) => (false, None),
                _ => (true, self.resolve(spec, &user.id, name)),
            };
        }
        Entrance { name: name.clone(), cell, spec, asked, answer }
    }

    /// Whether the connection was not in the group and now is. Where its user is still to be
    /// shown there, the group is added to `unshown`.
    pub(super) fn join(
        &self,
        connection: &Arc<Connection>,
        subscriptions: &mut Subscriptions,
        entrance: Entrance,
        allowed: Moment,
        unshown: &mut Vec<GroupName>,
        effects: &mut Effects<'_>,
    ) -> bool {
        let Entrance { name, mut cell, spec, asked, answer } = entrance;
        if subscriptions.ended {
            return false;
        }
        if let Some(held) = subscriptions.get_mut(&name) {
            held.allowed = held.allowed.max(allowed);
            return false;
        }
        // Held over the join, so that two connections of a user cannot make two seats.
        let mut user = connection.user.as_ref().map(|user| (user, user.lock()));
        let cell = loop {
            let cell = cell.take().unwrap_or_else(|| self.cell(&name, spec.as_ref()));
            let Some(mut group) = cell.lock() else {
                self.groups.forget(&cell);
                continue;
            };
            let now = now();
            let seat = user.as_mut().and_then(|(_, at)| at.seat_at(&cell));
            let subscriber = cell.open_feed(&connection.reader);
            let joined = group.subscribe(cell.spec.as_deref(), subscriber, seat, now);
            if let (Some((user, at)), Some((seat, seated))) = (&mut user, joined.seat) {
                match seated {
                    Seated::New | Seated::Back => at.sit(&cell, seat, allowed),
                    Seated::Returned => at.return_from_grace(&name),
                    Seated::Already => {}
                }
                // Now that the seat can be found, for a refresh that is under way.
                let is_hidden = group.roster.is_hidden(seat);
                match answer {
                    // What needs not be asked for is not out of date.
                    Some(Answer { payload: Payload::IdOnly, .. }) if !is_hidden => {}
                    Some(answer @ Answer { payload: Payload::IdOnly, .. }) => {
                        group.roster.show(seat, answer);
                    }
                    Some(answer) if self.questions.counts(&user.id, answer.asked) => {
                        group.roster.show(seat, answer);
                    }
                    Some(_) => unshown.push(name.clone()),
                    None if !asked && (seated == Seated::Back || is_hidden) => {
                        unshown.push(name.clone());
                    }
                    None => {}
                }
            }
            self.settle(&cell, group, now, effects);
            subscriptions.add(Subscription {
                cell: cell.clone(),
                subscriber: joined.subscriber,
                feed: joined.feed,
                seat: joined.seat.map(|(seat, _)| seat),
                allowed,
            });
            break cell;
        };
        drop(user);
        log::joined(&connection.reader, &cell.name);
        true
    }

    pub(super) fn leave(
        &self,
        from: &Subscription,
        connection: &Connection,
        goodbye: bool,
        effects: &mut Effects<'_>,
    ) {
        let Subscription { cell, subscriber, feed, seat, allowed } = from;
        let mut user = connection.user.as_ref().map(|user| (user, user.lock()));
        let mut group = cell.lock_always();
        let now = now();
        // A user who goes to another server because this one is going down has not left.
        let stays_until = self.drain_until.get().map(|until| *until + LINGER);
        let place = (*subscriber, *seat);
        let (spec, reader) = (cell.spec.as_deref(), &connection.reader);
        let vacated = group.unsubscribe(spec, reader, place, goodbye, stays_until, now);
        let mut too_many = None;
        if let (Some((_, at)), Some(seat)) = (&mut user, *seat) {
            if vacated {
                at.unseat(cell, seat);
            } else {
                // A grace may hold the seat: this connection's, or that of one before it, behind
                // which a goodbye comes.
                at.note_allowed(&cell.name, *allowed);
                if let Some(until) = group.roster.grace_of(seat) {
                    too_many = at.begin_grace(&cell.name, until, self.limits.graces_per_user);
                }
            }
        }
        self.settle(cell, group, now, effects);
        connection.outbox().close(*feed);
        if let Some((user, mut at)) = user {
            if let Some(grace) = too_many {
                self.end_grace(&user.id, &mut at, &grace, effects);
            }
            self.users.settle(user, at);
        }
        log::left(&connection.reader, &cell.name, goodbye);
    }
}

/// Whether a user is shown in the group of this name.
fn is_shown(user: &User, name: &GroupName) -> bool {
    let seat = user.seat_in(name);
    seat.is_some_and(|(cell, seat)| cell.lock_always().roster.is_shown(seat))
}
