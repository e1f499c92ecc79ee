//! The shards as the task has them, whether it runs or not.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    mem,
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    host::{Host, Look},
    link::Link,
    node::{Chance, Facts, Groups, Shard, Timing},
    outgoing::Outgoing,
    settings::Settings,
};
use crate::{chance, clock::now, hash::KeyedSet, name::GroupName, roster::View};

/// A node takes part in all shards where there are no more: that costs little, and what a dead node
/// has left is cleared away wherever it is.
const FEW: u16 = 64;

/// The shards, and what is on its way to the task.
pub(super) struct Shards {
    pub(super) all: Vec<ShardHere>,
    pub(super) timing: Timing,
    pub(super) looks: mpsc::UnboundedReceiver<Look>,
    pub(super) letters: mpsc::UnboundedReceiver<Outgoing>,
    /// When shards are to be turned. One that is not the shard's any more counts for nothing.
    wakes: BinaryHeap<Reverse<(Instant, usize)>>,
    /// How many shards go on alone.
    alone: usize,
    /// Who waits until this node has left.
    pub(super) leaving: Vec<oneshot::Sender<()>>,
}

/// One shard, as this node has it.
pub(super) struct ShardHere {
    /// What the names of its keys begin with.
    pub(super) key: String,
    pub(super) shard: Shard<Dice>,
    /// The groups of the shard that this node serves.
    served: KeyedSet<GroupName>,
    wakes_at: Option<Instant>,
    is_alone: bool,
    /// This node has served a group of the shard, or will whatever happens. It takes no part in
    /// others, so that it hears nothing of them.
    pub(super) is_active: bool,
}

/// Random numbers.
pub(super) struct Dice;

impl Chance for Dice {
    fn number(&mut self) -> u64 {
        chance::number()
    }
}

/// The groups of one shard, in the hub.
pub(super) struct Served<'a> {
    host: &'a dyn Host,
    names: &'a KeyedSet<GroupName>,
}

impl Groups for Served<'_> {
    fn with<T>(
        &mut self,
        group: &GroupName,
        change: impl FnOnce(&mut Facts, &mut View) -> T,
    ) -> Option<T> {
        // Of one that is still to be looked at everything is taken in by the look.
        if !self.names.contains(group) {
            return None;
        }
        let (mut change, mut changed) = (Some(change), None);
        self.host.change(group, &mut |facts, view| {
            changed = change.take().map(|change| change(facts, view));
        });
        changed
    }

    fn each(&mut self, mut change: impl FnMut(&GroupName, &mut Facts, &mut View)) {
        for group in self.names {
            self.host.change(group, &mut |facts, view| change(group, facts, view));
        }
    }
}

/// The shard of a group, by FNV-1a, which is the same on all nodes and in all versions.
fn shard_of(group: &GroupName, shards: usize) -> usize {
    let hash = group.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let shards = shards as u64;
    usize::try_from(hash % shards).unwrap_or_default()
}

impl Shards {
    pub(super) fn new(
        settings: &Settings,
        process: u64,
        looks: mpsc::UnboundedReceiver<Look>,
        letters: mpsc::UnboundedReceiver<Outgoing>,
    ) -> Self {
        let timing = Timing::default();
        let here = |shard| ShardHere {
            key: settings.key(shard),
            shard: Shard::new(timing, process, Dice, now()),
            served: KeyedSet::default(),
            wakes_at: None,
            is_alone: false,
            // One tells which nodes are alive, and whether the store is reached.
            is_active: settings.shards <= FEW || shard == 0,
        };
        let all = (0..usize::from(settings.shards)).map(here).collect();
        let wakes = BinaryHeap::new();
        Self { all, timing, looks, letters, wakes, alone: 0, leaving: Vec::new() }
    }

    /// Changes a shard.
    pub(super) fn with<T>(
        &mut self,
        at: usize,
        host: &dyn Host,
        change: impl FnOnce(&mut Shard<Dice>, &mut Served<'_>) -> T,
    ) -> T {
        let ShardHere { shard, served, .. } = &mut self.all[at];
        change(shard, &mut Served { host, names: served })
    }

    /// There is no connection any more.
    pub(super) fn disconnected(&mut self, host: &dyn Host) {
        for at in self.active() {
            self.with(at, host, |shard, groups| shard.disconnected(now(), groups));
        }
    }

    /// The shards in which this node takes part.
    pub(super) fn active(&self) -> BTreeSet<usize> {
        let all = self.all.iter().enumerate();
        all.filter(|(_, here)| here.is_active).map(|(at, _)| at).collect()
    }

    /// Takes part in a shard from now on, over the connection if there is one.
    fn activate(&mut self, at: usize, link: Option<&Link>) {
        let here = &mut self.all[at];
        if !mem::replace(&mut here.is_active, true) {
            here.shard.begin(now());
            if let Some(link) = link {
                here.shard.connected(link.server(at).id);
            }
        }
    }

    /// Looks at a group. Gives the shard.
    pub(super) fn look(
        &mut self,
        group: &GroupName,
        link: Option<&Link>,
        host: &dyn Host,
    ) -> usize {
        let at = shard_of(group, self.all.len());
        self.all[at].served.insert(group.clone());
        if self.with(at, host, |shard, groups| shard.look(group, groups)) {
            self.activate(at, link);
        } else {
            self.all[at].served.remove(group);
        }
        at
    }

    /// When the next shard is to be turned.
    pub(super) fn wakes_at(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, shard))) = self.wakes.peek() {
            if self.all[*shard].wakes_at == Some(*at) {
                return Some(*at);
            }
            self.wakes.pop();
        }
        None
    }

    /// The shards that are to be turned by now.
    pub(super) fn due(&mut self, now: Instant, touched: &mut BTreeSet<usize>) {
        while self.wakes_at().is_some_and(|at| at <= now)
            && let Some(Reverse((_, shard))) = self.wakes.pop()
        {
            self.all[shard].wakes_at = None;
            touched.insert(shard);
        }
    }

    /// Notes when a shard is to be turned next, and whether it goes on alone.
    pub(super) fn turned(&mut self, at: usize) {
        let here = &mut self.all[at];
        let wakes_at = here.shard.wake_at();
        if let Some(time) = wakes_at.filter(|_| wakes_at != here.wakes_at) {
            self.wakes.push(Reverse((time, at)));
        }
        here.wakes_at = wakes_at;
        let was_alone = mem::replace(&mut here.is_alone, here.shard.is_alone());
        self.alone += usize::from(here.is_alone);
        self.alone -= usize::from(was_alone);
    }

    /// Whether a shard goes on alone.
    pub(super) fn is_alone(&self) -> bool {
        self.alone > 0
    }
}

#[cfg(all(test, not(feature = "__shuttle")))]
mod tests;
