//! Answers about groups: who is in them, and for those who watch them.

use std::{net::IpAddr, sync::Arc};

use super::core::Hub;
use crate::{
    clock::now,
    group::{GroupCell, WatchQueue},
    name::{GroupName, UserId},
    roster::{Member, Present, Roll},
    wire::Snapshot,
};

impl Hub {
    /// Whether this user, or this address, may ask for the members of a group once more now.
    pub(crate) fn admits_look_up(&self, user: Option<&UserId>, address: Option<IpAddr>) -> bool {
        // It forgets those who have asked.
        self.alarms.start(&self.me);
        let (users, addresses) = (&self.rates.lookups_of_users, &self.rates.lookups_of_addresses);
        let is_admitted = user.is_none_or(|user| users.admits(user.clone(), now()))
            && address.is_none_or(|address| addresses.admits(address, now()));
        if !is_admitted {
            let most = usize::try_from(self.limits.members_per_second).unwrap_or(usize::MAX);
            self.counters().reached.note("members_per_second", most, user);
        }
        is_admitted
    }

    /// Whether this user may make one more call now for a stream that another node holds.
    #[cfg(feature = "redis")]
    pub(crate) fn admits_call(&self, user: Option<&UserId>) -> bool {
        self.alarms.start(&self.me);
        let admits = |user: &UserId| self.rates.calls_of_users.admits(user.clone(), now());
        let is_admitted = user.is_none_or(admits);
        if !is_admitted {
            let most = usize::try_from(self.limits.control_per_second).unwrap_or(usize::MAX);
            self.counters().reached.note("control_per_second", most, user);
        }
        is_admitted
    }

    /// Whether a spec owns the group, so that it has presence.
    pub(crate) fn has_presence(&self, name: &GroupName) -> bool {
        self.owner(name).is_some()
    }

    /// The members of a group as its subscribers have been told.
    pub(crate) fn snapshot(&self, name: &GroupName) -> Arc<Snapshot> {
        match self.groups.get(name) {
            Some(cell) => cell.snapshot(),
            None => Arc::new(Snapshot::new(name.clone(), 0, Roll::default())),
        }
    }

    /// The members of a group.
    pub(crate) fn members(&self, name: &GroupName) -> Vec<Member> {
        let present = self.with_group(name, |group| group.roster.view.now());
        present.map(Present::members).unwrap_or_default()
    }

    /// Whether somebody in a group has still to be told of something.
    pub(crate) fn is_telling(&self, name: &GroupName) -> bool {
        self.with_group(name, |group| group.is_telling(now())).unwrap_or_default()
    }

    /// How many members a group has.
    pub(crate) fn count(&self, name: &GroupName) -> usize {
        self.with_group(name, |group| group.roster.view.count()).unwrap_or_default()
    }

    /// Whether a user is a member of a group.
    pub(crate) fn contains(&self, name: &GroupName, user: &UserId) -> bool {
        let seat = self.users.get(user).and_then(|user| user.seat_in(name));
        match seat {
            Some((cell, seat)) => cell.lock_always().roster.shows(user, Some(seat)),
            None => self.with_group(name, |group| group.roster.shows(user, None)).unwrap_or(false),
        }
    }

    /// The groups here in which a user is shown, by the word of whatever node.
    pub(crate) fn groups_showing(&self, user: &UserId) -> Vec<GroupName> {
        let shows = |cell: &Arc<GroupCell>| cell.lock_always().roster.shows(user, None);
        let cells = self.groups.all().into_iter().filter(shows);
        cells.map(|cell| cell.name.clone()).collect()
    }

    /// Begins to tell `watcher` of a group. The caller owes an
    /// [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&self, name: &GroupName, watcher: &Arc<WatchQueue>) -> Arc<GroupCell> {
        let spec = self.owner(name);
        self.nodes.start(&self.me);
        let mut effects = self.effects();
        loop {
            let cell = self.cell(name, spec.as_ref());
            let Some(mut group) = cell.lock() else {
                self.groups.forget(&cell);
                continue;
            };
            let (now, wakes) = (now(), &mut effects.wakes);
            let delivery = group.watch(name, watcher.clone(), now, &self.teller, wakes);
            effects.deliveries.extend(delivery.map(|delivery| (cell.clone(), delivery)));
            self.settle(&cell, group, now, &mut effects);
            return cell;
        }
    }

    /// The members of a group as it has told them, from which the changes go on that `watcher`
    /// gets.
    pub(crate) fn resync_watcher(
        &self,
        cell: &Arc<GroupCell>,
        watcher: &WatchQueue,
    ) -> Arc<[Member]> {
        cell.resync_watcher(watcher).members().clone()
    }

    pub(crate) fn unwatch(&self, cell: &Arc<GroupCell>, watcher: &Arc<WatchQueue>) {
        let mut effects = self.effects();
        let mut group = cell.lock_always();
        group.unwatch(watcher);
        self.settle(cell, group, now(), &mut effects);
    }

    /// How many groups have a subscriber, a watcher or a member.
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// How many users have a connection, or a place that waits for them.
    pub(crate) fn user_count(&self) -> usize {
        self.users.len()
    }
}
