//! Connections joining and leaving groups.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::json;

use super::{Hub, Moment, Outdated, now, users::Held};
use crate::{
    connection::{Connection, Subscription, Subscriptions},
    group::GroupName,
    journal,
    roster::{Answer, Seated},
    spec::PresenceSpec,
    user::UserId,
    wakes::Wakes,
};

/// For how long nobody leaves after the last connections of a server that is going down have
/// been ended: while that is under way, those who are left must not see the others go.
const LINGER: Duration = Duration::from_secs(3);

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
    spec: Option<Arc<PresenceSpec>>,
    /// The resolver was asked, and has answered or failed.
    asked: bool,
    answer: Option<Answer>,
}

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

    /// Subscribes a connection to the groups that the policy has allowed, besides those that it
    /// holds, in which it must still be. One that has ended is in no group and joins none. `tell`
    /// gets those that have no presence and says so to the client, before anything can change
    /// that.
    pub(crate) fn subscribe(
        &self,
        connection: &Arc<Connection>,
        verdict: &Verdict,
        tell: impl FnOnce(&[GroupName]),
    ) -> Result<(), Outdated> {
        let entrances = self.entrances(connection.user.as_ref(), &verdict.allowed);
        let without_presence = without_presence(&entrances);
        let (mut wakes, mut unshown) = (Wakes::default(), Vec::new());
        {
            let mut subscriptions = connection.subscriptions.lock();
            self.check(connection.user.as_ref(), verdict)?;
            if !verdict.held.iter().all(|name| subscriptions.groups.contains_key(name)) {
                return Err(Outdated);
            }
            for entrance in entrances {
                let asked = verdict.asked;
                self.join(
                    connection,
                    &mut subscriptions,
                    entrance,
                    asked,
                    &mut unshown,
                    &mut wakes,
                );
            }
            tell(&without_presence);
        }
        drop(wakes);
        if let Some(user) = &connection.user {
            self.show(user, unshown);
        }
        Ok(())
    }

    /// Takes a connection out of these groups; its user leaves them at once where it was
    /// the last connection there. Gives the groups that it was in.
    pub(crate) fn unsubscribe(
        &self,
        connection: &Arc<Connection>,
        names: &[GroupName],
    ) -> Vec<GroupName> {
        let mut wakes = Wakes::default();
        let mut subscriptions = connection.subscriptions.lock();
        let mut left = Vec::new();
        for name in names {
            if let Some(left_now) = subscriptions.groups.remove(name) {
                self.leave(&left_now, connection, true, &mut wakes);
                left.push(name.clone());
            }
        }
        left
    }

    /// Takes a connection out of groups that the policy, asked at these moments, has not allowed,
    /// and tells the client so; nothing of these groups comes after that. Where the policy was
    /// asked later and has allowed a group the connection stays.
    pub(super) fn deny(&self, connection: &Arc<Connection>, names: &[(GroupName, Moment)]) {
        let mut wakes = Wakes::default();
        let mut subscriptions = connection.subscriptions.lock();
        let mut denied = Vec::new();
        for (name, asked) in names {
            if subscriptions.groups.get(name).is_some_and(|held| held.allowed < *asked)
                && let Some(subscription) = subscriptions.groups.remove(name)
            {
                self.leave(&subscription, connection, true, &mut wakes);
                journal::denied(connection.user.as_ref(), name);
                denied.push(name);
            }
        }
        if !denied.is_empty() {
            wakes.add(self.queue(connection, "@denied", &json!({ "groups": denied })));
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
        let mut wakes = Wakes::default();
        let mut subscriptions = connection.subscriptions.lock();
        if subscriptions.ended {
            return Err(Unchanged::Ended);
        }
        if number < subscriptions.number {
            return Ok(Replaced { number: subscriptions.number, ..Replaced::default() });
        }
        self.check(connection.user.as_ref(), verdict)?;
        if !held.iter().all(|name| subscriptions.groups.contains_key(name)) {
            return Err(Unchanged::Outdated);
        }
        subscriptions.number = number;
        let is_denied = |name: &&GroupName| {
            subscriptions.groups.get(*name).is_none_or(|held| held.allowed < *asked)
        };
        let (denied, overruled): (Vec<_>, Vec<_>) = denied.iter().partition(is_denied);
        let wanted: HashSet<_> = held.iter().chain(allowed).chain(overruled).collect();
        let mut left: Vec<_> = subscriptions.groups.keys().cloned().collect();
        left.retain(|name| !wanted.contains(name));
        for name in &left {
            if let Some(subscription) = subscriptions.groups.remove(name) {
                self.leave(&subscription, connection, true, &mut wakes);
            }
        }
        for entrance in entrances {
            let name = entrance.name.clone();
            let (unshown, wakes) = (&mut unshown, &mut wakes);
            if self.join(connection, &mut subscriptions, entrance, *asked, unshown, wakes) {
                joined.push(name);
            }
        }
        drop(subscriptions);
        drop(wakes);
        if let Some(user) = &connection.user {
            self.show(user, unshown);
        }
        let denied = denied.into_iter().cloned().collect();
        Ok(Replaced { number, joined, no_presence, left, denied })
    }

    /// Has a connection take the snapshots of these groups once more, where it is in them.
    pub(crate) fn resync(&self, connection: &Connection, names: &[GroupName]) {
        let mut wakes = Wakes::default();
        for name in names {
            self.with_group(name, |group| group.resync(connection, &mut wakes));
        }
    }

    pub(super) fn entrances(&self, user: Option<&UserId>, names: &[GroupName]) -> Vec<Entrance> {
        names.iter().map(|name| self.entrance(user, name)).collect()
    }

    fn entrance(&self, user: Option<&UserId>, name: &GroupName) -> Entrance {
        let known = self.with_group(name, |group| {
            let wants_payload = user.is_some_and(|user| group.roster.wants_payload(user));
            (group.spec.clone(), wants_payload)
        });
        let (spec, wants_payload) = known.unwrap_or_else(|| (self.matcher.owner(name), true));
        let (mut asked, mut answer) = (false, None);
        if let (Some(spec), Some(user)) = (&spec, user)
            && wants_payload
            && !spec.resolver.is_batch()
        {
            (asked, answer) = (true, self.resolve(spec, user, name));
        }
        Entrance { name: name.clone(), spec, asked, answer }
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
        wakes: &mut Wakes,
    ) -> bool {
        let Entrance { name, spec, asked, answer } = entrance;
        if subscriptions.ended {
            return false;
        }
        if let Some(held) = subscriptions.groups.get_mut(&name) {
            held.allowed = held.allowed.max(allowed);
            return false;
        }
        let (cell, ()) = self.group(&name, spec.as_ref(), wakes, |group, _| {
            let seated = group.subscribe(connection, now());
            if let (Some(user), Some(seated)) = (&connection.user, seated) {
                match seated {
                    Seated::New | Seated::Back => {
                        let mut entry = self.users.entry(user.clone()).or_default();
                        entry.groups.insert(name.clone(), Held::new(allowed));
                    }
                    Seated::Returned => self.return_from_grace(user, &name),
                    Seated::Already => {}
                }
                // Now that the seat can be found, for a refresh that is under way.
                let is_outdated =
                    answer.as_ref().is_some_and(|a| !self.questions.counts(user, a.asked));
                let is_unsure = seated == Seated::Back || group.roster.is_hidden(user);
                if is_outdated || !asked && is_unsure {
                    unshown.push(name.clone());
                } else if let Some(answer) = answer {
                    group.roster.show(user, answer);
                }
            }
        });
        journal::joined(connection, &name);
        subscriptions.groups.insert(name, Subscription { cell, allowed });
        true
    }

    pub(super) fn leave(
        &self,
        from: &Subscription,
        connection: &Connection,
        goodbye: bool,
        wakes: &mut Wakes,
    ) {
        let mut group = from.cell.0.lock();
        // Who goes elsewhere because this server is going down has not left.
        let stays_until = self.drain_until.get().map(|until| *until + LINGER);
        let vacated = group.unsubscribe(connection, goodbye, stays_until, now());
        let mut too_many = None;
        if let Some(user) = &connection.user {
            if vacated {
                self.unseat(user, &group.name);
            } else {
                // A grace may hold the seat: this connection's, or that of one before it, behind
                // which a goodbye comes.
                self.note_allowed(user, &group.name, from.allowed);
                let until = group.roster.grace_of(user);
                too_many = until.and_then(|until| self.begin_grace(user, &group.name, until));
            }
        }
        let name = group.name.clone();
        self.settle(&from.cell, group, wakes);
        if let (Some(user), Some(grace)) = (&connection.user, too_many) {
            self.end_grace(user, &grace, wakes);
        }
        journal::left(connection, &name, goodbye);
    }
}
