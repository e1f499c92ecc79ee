//! One node's part in one shard: the connection's events, messages, answers and the time come in,
//! requests go out.
//!
//! ```text
//!         connected          subscribed            alive
//! Down ────────────▶ Subscribing ─────▶ Greeting ────────▶ Up
//!  ▲                                                        │ one heartbeat, one batch and
//!  └────────────────────── disconnected ────────────────────┘ one reading on their way
//! ```

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant},
};

use super::{
    facts::Facts,
    turns::Turns,
    under_way::{Batch, Reading},
    words::{Answer, Epoch, Generation, NodeId, Position, Request, ServerId, Timing, Version},
};
use crate::{
    name::{GroupName, UserId},
    roster::View,
};

/// The groups that this node serves.
pub(crate) trait Groups {
    /// Uses one of them; `None` where it is not served any more.
    fn with<T>(
        &mut self,
        group: &GroupName,
        change: impl FnOnce(&mut Facts, &mut View) -> T,
    ) -> Option<T>;

    /// Uses all of them.
    fn each(&mut self, change: impl FnMut(&GroupName, &mut Facts, &mut View));
}

/// Where random numbers come from.
pub(crate) trait Chance {
    fn number(&mut self) -> u64;
}

#[derive(Debug)]
pub(crate) struct Shard<C> {
    pub(super) timing: Timing,
    pub(super) chance: C,
    link: Link,
    /// Since when the store has been out of reach.
    pub(super) away: Option<Instant>,
    pub(super) is_alone: bool,
    pub(super) epoch: Epoch,
    /// The server of the last connection, and whether it is another one than before: what it holds
    /// has not been compared.
    pub(super) server: Option<ServerId>,
    pub(super) is_another_server: bool,
    /// The last registration that was begun.
    pub(super) last: NodeId,
    /// The registration, and whether the store has confirmed it.
    pub(super) us: Option<NodeId>,
    pub(super) is_registered: bool,
    /// Registrations of this node that have been given up.
    pub(super) old: Vec<NodeId>,
    /// What is known of the shard's history.
    pub(super) generation: Option<Generation>,
    pub(super) known: Version,
    /// A heartbeat has shown this version, which is to be told before the next one.
    pub(super) awaited: Version,
    /// Who is missing in what is read is kept until then, and until all up to that version has been
    /// told: a process that stood still has not heard yet what was said meanwhile.
    pub(super) hold_until: Option<Instant>,
    pub(super) release_at: Option<Version>,
    /// Groups with something that the store is to be told, and groups that are to be read.
    pub(super) unsaid: Turns,
    pub(super) unread: Turns,
    pub(super) batch: Option<Batch>,
    /// What is stored and has not been told, in the order of versions.
    pub(super) stored: VecDeque<(Version, Vec<(GroupName, UserId)>)>,
    pub(super) reading: Option<Reading>,
    /// When the next heartbeat is due, and what was known when one was sent that is not answered.
    pub(super) heartbeat_at: Instant,
    pub(super) heartbeat: Option<(Version, Instant)>,
    /// The node is to be forgotten after that time; whether that has been asked for.
    pub(super) leaves: Option<(Duration, bool)>,
    /// A dead node whose facts are to be cleared, and when.
    pub(super) dead: Option<(NodeId, Instant)>,
    pub(super) is_clearing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    /// Whether the request has been made.
    Subscribing(bool),
    Greeting,
    Up,
}

impl<C: Chance> Shard<C> {
    /// The part of this process in a shard, with nothing connected.
    pub(crate) fn new(timing: Timing, process: u64, chance: C, now: Instant) -> Self {
        Self {
            last: NodeId::first(process),
            timing,
            chance,
            link: Link::Down,
            away: Some(now),
            is_alone: false,
            epoch: Epoch::default(),
            server: None,
            is_another_server: false,
            us: None,
            is_registered: false,
            old: Vec::new(),
            generation: None,
            known: Version::default(),
            awaited: Version::default(),
            hold_until: None,
            release_at: None,
            unsaid: Turns::default(),
            unread: Turns::default(),
            batch: None,
            stored: VecDeque::new(),
            reading: None,
            heartbeat_at: now,
            heartbeat: None,
            leaves: None,
            dead: None,
            is_clearing: false,
        }
    }

    /// Nobody could look after the shard before now, so the store has not been out of reach.
    pub(crate) fn begin(&mut self, now: Instant) {
        if let Some(since) = &mut self.away {
            *since = now;
        }
    }

    /// Whether the node goes on without the store.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// The process, as it names itself.
    pub(crate) fn process(&self) -> u64 {
        self.last.process()
    }

    /// Whether all is said and read.
    pub(crate) fn is_whole(&self) -> bool {
        self.link == Link::Up
            && self.is_registered
            && self.unsaid.is_empty()
            && self.unread.is_empty()
            && self.batch.is_none()
            && self.reading.is_none()
            && self.stored.is_empty()
    }

    /// Looks at a group that this node begins to serve, or serves no more, or that has something the
    /// store is to be told. Says whether it serves the group.
    pub(crate) fn look(&mut self, group: &GroupName, groups: &mut impl Groups) -> bool {
        let is_alone = self.is_alone;
        let is_served = groups.with(group, |facts, view| {
            // It may have been made when that was otherwise.
            facts.set_alone(is_alone, view);
            self.note(group, facts);
        });
        if is_served.is_none() {
            self.unread.remove(group);
            self.unsaid.remove(group);
        }
        is_served.is_some()
    }

    /// The node ends: what it has said holds for that time, unless its lease ends before. It says
    /// nothing more.
    pub(crate) fn leave(&mut self, after: Duration) {
        self.leaves.get_or_insert((after, false));
    }

    /// Whether nothing is left to be done before the node ends.
    pub(crate) fn has_left(&self) -> bool {
        self.leaves.is_some_and(|(_, is_asked)| is_asked) || self.us.is_none()
    }

    /// A new connection to this server stands, on which nothing has been asked.
    pub(crate) fn connected(&mut self, server: ServerId) {
        self.epoch.0 += 1;
        self.is_another_server |= self.server.replace(server).is_some_and(|last| last != server);
        self.link = Link::Subscribing(false);
    }

    /// The connection is gone, with all answers that have not come.
    pub(crate) fn disconnected(&mut self, now: Instant, groups: &mut impl Groups) {
        self.link = Link::Down;
        self.away.get_or_insert(now);
        if self.heartbeat.take().is_some() && !self.is_registered {
            // The store may have it, or not.
            self.give_up();
        }
        self.say_batch_again(groups);
        if let Some(reading) = self.reading.take() {
            for group in reading.groups {
                self.with(&group, groups, |facts, _| facts.missed());
            }
        }
        self.is_clearing = false;
    }

    /// Time has gone by.
    pub(crate) fn advanced(&mut self, now: Instant, groups: &mut impl Groups) {
        let is_given_up = self.away.is_some_and(|since| since + self.timing.patience <= now);
        self.set_alone(is_given_up, groups);
    }

    pub(super) fn set_alone(&mut self, is_alone: bool, groups: &mut impl Groups) {
        if mem::replace(&mut self.is_alone, is_alone) != is_alone {
            groups.each(|_, facts, view| facts.set_alone(is_alone, view));
        }
    }

    /// When to [advance](Self::advanced) and to look for [requests](Self::next) at the latest.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let alone = self.away.map(|since| since + self.timing.patience);
        let alone = alone.filter(|_| !self.is_alone);
        let goes_on = self.link == Link::Up && self.leaves.is_none();
        let heartbeat = (goes_on && self.heartbeat.is_none()).then_some(self.heartbeat_at);
        let clear = self.dead.filter(|_| goes_on && !self.is_clearing).map(|(_, at)| at);
        [alone, heartbeat, clear].into_iter().flatten().min()
    }

    /// The next thing to ask of the store.
    pub(crate) fn next(&mut self, now: Instant, groups: &mut impl Groups) -> Option<Request> {
        match self.link {
            Link::Down | Link::Subscribing(true) => return None,
            Link::Subscribing(false) => {
                self.link = Link::Subscribing(true);
                return Some(Request::Subscribe);
            }
            Link::Greeting | Link::Up => {}
        }
        if let Some((after, is_asked)) = self.leaves {
            let node = self.us.filter(|_| self.is_registered && !is_asked)?;
            self.leaves = Some((after, true));
            return Some(Request::Retire { node, after });
        }
        if self.heartbeat.is_none() && self.heartbeat_at <= now {
            return Some(self.heartbeat(now));
        }
        if self.link == Link::Greeting {
            return None;
        }
        if self.is_registered
            && self.batch.is_none()
            && let Some(batch) = self.batch(groups)
        {
            return Some(batch);
        }
        if self.reading.is_none()
            && let Some(reading) = self.read(groups)
        {
            return Some(reading);
        }
        if self.is_whole()
            && let Some(node) = self.old.pop()
        {
            return Some(Request::Retire { node, after: Duration::ZERO });
        }
        let (node, _) = self.dead.filter(|(_, at)| *at <= now && !self.is_clearing)?;
        self.is_clearing = true;
        Some(Request::Clear { node })
    }

    fn heartbeat(&mut self, now: Instant) -> Request {
        self.heartbeat = Some((self.known, now));
        let is_new = !self.is_registered;
        if self.us.is_none() {
            self.last = self.last.next();
        }
        let node = *self.us.get_or_insert(self.last);
        Request::Heartbeat { node, epoch: self.epoch, is_new }
    }

    /// An answer has come, over the connection that there is.
    pub(crate) fn answered(&mut self, answer: Answer, now: Instant, groups: &mut impl Groups) {
        match answer {
            Answer::Subscribed => {
                if let Link::Subscribing(_) = self.link {
                    self.link = Link::Greeting;
                    self.heartbeat_at = now;
                }
            }
            Answer::Alive { node, at, dead } if Some(node) == self.us => {
                self.alive(at, dead, now, groups);
            }
            Answer::Refused { node } if Some(node) == self.us => self.refused(now, groups),
            Answer::Applied { at } => self.applied(at, now, groups),
            Answer::Read { at, live, groups: found } => self.found(at, &live, found, now, groups),
            // A registration that has been given up is nothing any more, whatever is said of it.
            Answer::Alive { .. } | Answer::Refused { .. } | Answer::Retired => {}
            Answer::Cleared { is_all } => {
                self.is_clearing = false;
                self.dead = self.dead.filter(|_| !is_all);
                self.dead = self.dead.map(|(node, _)| (node, now + self.timing.clearing));
            }
        }
        self.release(groups);
    }

    fn alive(
        &mut self,
        at: Position,
        dead: Option<NodeId>,
        now: Instant,
        groups: &mut impl Groups,
    ) {
        let Some((asked, asked_at)) = self.heartbeat.take() else {
            return;
        };
        if self.hold_until.is_some_and(|until| until <= asked_at) {
            self.release_at.get_or_insert(at.version);
        }
        self.heartbeat_at = now + self.pause();
        if self.dead.is_none() {
            self.dead = dead.map(|node| (node, now));
        }
        if !mem::replace(&mut self.is_registered, true) {
            self.each(groups, |facts, _| facts.say_all());
        }
        let is_greeting = mem::replace(&mut self.link, Link::Up) == Link::Greeting;
        // What is still to be said and read is waited for, and no reason to be alone.
        self.away = None;
        self.set_alone(false, groups);
        let is_another_server = mem::take(&mut self.is_another_server);
        if is_another_server || self.is_another_history(at, asked) {
            self.begin_again(at, now, groups);
        } else if is_greeting {
            // What was told before the subscription does not come.
            if self.known < at.version {
                self.missed(at.version, groups);
            }
            self.known = self.known.max(at.version);
            self.settle(groups);
        } else if self.known < self.awaited {
            self.missed(self.awaited, groups);
            self.known = self.awaited;
            self.settle(groups);
        }
        self.awaited = at.version;
    }

    /// A heartbeat's time, a fifth sooner or later.
    fn pause(&mut self) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a part of a time needs no 64 bits")]
        let part = self.chance.number() as f64 / u64::MAX as f64;
        self.timing.heartbeat.mul_f64(0.8 + 0.4 * part)
    }

    pub(super) fn refused(&mut self, now: Instant, groups: &mut impl Groups) {
        self.give_up();
        self.heartbeat = None;
        self.heartbeat_at = now;
        self.say_batch_again(groups);
    }

    pub(super) fn give_up(&mut self) {
        self.old.extend(self.us.take());
        self.is_registered = false;
    }

    /// Changes what is known of a group, and has it read, or has its users said, where that is to be
    /// done then.
    pub(super) fn with(
        &mut self,
        group: &GroupName,
        groups: &mut impl Groups,
        change: impl FnOnce(&mut Facts, &mut View),
    ) {
        groups.with(group, |facts, view| {
            change(facts, view);
            self.note(group, facts);
        });
    }

    /// The same with all groups.
    pub(super) fn each(
        &mut self,
        groups: &mut impl Groups,
        mut change: impl FnMut(&mut Facts, &mut View),
    ) {
        groups.each(|group, facts, view| {
            change(facts, view);
            self.note(group, facts);
        });
    }

    pub(super) fn note(&mut self, group: &GroupName, facts: &Facts) {
        if facts.is_unread() {
            self.unread.insert(group);
        }
        if facts.is_unsaid() {
            self.unsaid.insert(group);
        }
    }
}
