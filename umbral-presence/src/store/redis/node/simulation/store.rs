//! A model of what the store does with one shard. The scripts do the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::super::words::{
    Answer, Epoch, Generation, Message, News, NodeId, Position, Request, Said, Stored, Timing,
    Version,
};
use crate::name::{GroupName, UserId};

/// How many groups of a dead node are cleared at once.
pub(crate) const CLEARED: usize = 2;

/// What the store holds of a shard. Times are its own clock's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    generation: Option<Generation>,
    version: Version,
    /// When a heartbeat came last.
    beat: Option<Duration>,
    leases: BTreeMap<NodeId, Duration>,
    epochs: BTreeMap<NodeId, Epoch>,
    groups: BTreeMap<GroupName, BTreeMap<(UserId, NodeId), Stored>>,
    held: BTreeMap<NodeId, BTreeSet<GroupName>>,
    dead: BTreeSet<NodeId>,
    /// Those that have said that they end.
    retired: BTreeSet<NodeId>,
    /// Groups whose keys are somebody else's.
    pub(crate) foreign: BTreeSet<GroupName>,
}

impl Model {
    /// Carries a request out at `now`, and gives what is told to all for it. `random` makes up the
    /// name of a new history.
    pub(crate) fn answer(
        &mut self,
        request: Request,
        now: Duration,
        timing: &Timing,
        random: u64,
    ) -> (Answer, Vec<Message>) {
        let generation = *self.generation.get_or_insert(Generation(random));
        let mut told = Vec::new();
        let answer = match request {
            Request::Subscribe => Answer::Subscribed,
            Request::Heartbeat { node, epoch, is_new } => {
                self.bury(now, timing, &mut told);
                self.heartbeat(node, epoch, is_new, now, timing)
            }
            Request::Apply { node, epoch, said } => self.apply(node, epoch, said, now, &mut told),
            Request::Read { groups } => self.read(groups, generation),
            Request::Retire { node, after } => {
                self.retire(node, after, now, &mut told);
                Answer::Retired
            }
            Request::Clear { node } => self.clear(node),
        };
        (answer, told)
    }

    fn position(&self) -> Position {
        let generation = self.generation.unwrap_or(Generation(0));
        Position { generation, version: self.version }
    }

    /// Moves the version on, and says so.
    fn tell(&mut self, node: NodeId, news: News, now: Duration, told: &mut Vec<Message>) {
        let before = self.version;
        self.version = self.next_version(now);
        told.push(Message { at: self.position(), before, node, news });
    }

    /// The version of a change that is made now.
    pub(crate) fn next_version(&self, now: Duration) -> Version {
        let clock = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        Version(clock.max(self.version.0 + 1))
    }

    /// Declares those dead whose leases are over.
    fn bury(&mut self, now: Duration, timing: &Timing, told: &mut Vec<Message>) {
        let stood_still = self.beat.is_none_or(|beat| beat + timing.stand_still < now);
        self.beat = Some(now);
        if stood_still {
            for (node, until) in &mut self.leases {
                if !self.retired.contains(node) {
                    *until = (*until).max(now + timing.lease);
                }
            }
        }
        let is_over = |node: &NodeId, until: &Duration| {
            *until < now && (!stood_still || self.retired.contains(node))
        };
        let over = self.leases.iter().filter(|(node, until)| is_over(node, until));
        let mut over: Vec<_> = over.map(|(node, until)| (*until, *node)).collect();
        over.sort();
        for (_, node) in over {
            self.die(node, now, told);
        }
    }

    fn die(&mut self, node: NodeId, now: Duration, told: &mut Vec<Message>) {
        self.leases.remove(&node);
        self.epochs.remove(&node);
        self.retired.remove(&node);
        self.dead.insert(node);
        self.tell(node, News::Dead, now, told);
    }

    fn heartbeat(
        &mut self,
        node: NodeId,
        epoch: Epoch,
        is_new: bool,
        now: Duration,
        timing: &Timing,
    ) -> Answer {
        let is_registered = self.leases.contains_key(&node);
        let is_old = self.epochs.get(&node).is_some_and(|newest| *newest > epoch);
        if is_old || self.dead.contains(&node) || is_registered == is_new {
            return Answer::Refused { node };
        }
        self.leases.insert(node, now + timing.lease);
        self.epochs.insert(node, epoch);
        Answer::Alive { node, at: self.position(), dead: self.dead.first().copied() }
    }

    fn apply(
        &mut self,
        node: NodeId,
        epoch: Epoch,
        said: Vec<Said>,
        now: Duration,
        told: &mut Vec<Message>,
    ) -> Answer {
        if !self.leases.contains_key(&node) || self.epochs.get(&node) != Some(&epoch) {
            return Answer::Refused { node };
        }
        let written = self.next_version(now);
        let mut news = Vec::new();
        for said in said {
            if self.foreign.contains(&said.group) {
                continue;
            }
            let group = self.groups.entry(said.group.clone()).or_default();
            let key = (said.user.clone(), node);
            let is_news = match &said.payload {
                Some(payload) => {
                    let before = group.get(&key).map(|stored| &stored.payload);
                    let is_news = before != Some(payload);
                    if is_news {
                        let payload = payload.clone();
                        group.insert(key, Stored { node, written, payload });
                    }
                    is_news
                }
                None => group.remove(&key).is_some(),
            };
            let held = self.held.entry(node).or_default();
            if group.keys().any(|(_, of)| *of == node) {
                held.insert(said.group.clone());
            } else {
                held.remove(&said.group);
            }
            if group.is_empty() {
                self.groups.remove(&said.group);
            }
            if is_news {
                news.push(said);
            }
        }
        if !news.is_empty() {
            self.tell(node, News::Said(news), now, told);
        }
        Answer::Applied { at: self.position() }
    }

    fn read(&self, groups: Vec<GroupName>, generation: Generation) -> Answer {
        let found = |group: GroupName| {
            let facts = self.groups.get(&group).into_iter().flatten();
            let facts = facts.map(|((user, _), stored)| (user.clone(), stored.clone())).collect();
            (group, facts)
        };
        let at = Position { generation, version: self.version };
        let live = self.leases.keys().copied().collect();
        Answer::Read { at, live, groups: groups.into_iter().map(found).collect() }
    }

    fn retire(&mut self, node: NodeId, after: Duration, now: Duration, told: &mut Vec<Message>) {
        let Some(until) = self.leases.get_mut(&node) else {
            return;
        };
        if after.is_zero() {
            self.die(node, now, told);
        } else {
            *until = (*until).min(now + after);
            self.retired.insert(node);
        }
    }

    fn clear(&mut self, node: NodeId) -> Answer {
        if !self.dead.contains(&node) {
            return Answer::Cleared { is_all: true };
        }
        let mut held = self.held.remove(&node).unwrap_or_default();
        for _ in 0..CLEARED {
            let Some(name) = held.pop_first() else { break };
            if let Some(group) = self.groups.get_mut(&name) {
                group.retain(|(_, of), _| *of != node);
                if group.is_empty() {
                    self.groups.remove(&name);
                }
            }
        }
        let is_all = held.is_empty();
        if is_all {
            self.dead.remove(&node);
        } else {
            self.held.insert(node, held);
        }
        Answer::Cleared { is_all }
    }

    /// Whether a process that is alive has said that a user is in a group.
    pub(crate) fn has(&self, group: &GroupName, user: &UserId, process: u64) -> bool {
        let facts = self.groups.get(group).into_iter().flatten();
        facts.into_iter().any(|((of, node), _)| {
            of == user && node.process() == process && self.leases.contains_key(node)
        })
    }

    /// How many facts there are, of dead nodes too.
    pub(crate) fn facts(&self) -> usize {
        self.groups.values().map(BTreeMap::len).sum()
    }

    /// How many registrations are named somewhere.
    pub(crate) fn nodes(&self) -> usize {
        self.leases.len() + self.dead.len() + self.held.len()
    }
}
