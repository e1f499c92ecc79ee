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
    collections::{BTreeSet, VecDeque},
    mem,
    time::{Duration, Instant},
};

use super::{
    facts::{Facts, Told},
    words::{
        Answer, Epoch, Generation, Message, News, NodeId, Position, Request, Said, ServerId,
        Stored, Timing, Version,
    },
};
use crate::{
    name::{GroupName, UserId},
    roster::View,
};

/// So much is said in one batch.
const BATCH: usize = 256;

/// So many groups are read at once.
const READING: usize = 64;

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
    timing: Timing,
    chance: C,
    link: Link,
    /// Since when the store has been out of reach.
    lost: Option<Instant>,
    is_alone: bool,
    epoch: Epoch,
    /// The server of the last connection, and whether it is another one than before: what it holds
    /// has not been compared.
    server: Option<ServerId>,
    is_another_server: bool,
    /// The last registration that was begun.
    last: NodeId,
    /// The registration, and whether the store has confirmed it.
    us: Option<NodeId>,
    is_registered: bool,
    /// Registrations of this node that have been given up.
    old: Vec<NodeId>,
    /// What is known of the shard's history.
    generation: Option<Generation>,
    known: Version,
    /// A heartbeat has shown this version, which is to be told before the next one.
    awaited: Version,
    /// Who is missing in what is read is kept until then, and until all up to that version has been
    /// told: a process that stood still has not heard yet what was said meanwhile.
    hold_until: Option<Instant>,
    release_at: Option<Version>,
    /// Groups with something that the store is to be told, and where to go on.
    unsaid: BTreeSet<GroupName>,
    said_last: Option<GroupName>,
    /// Groups that are to be read.
    unread: BTreeSet<GroupName>,
    batch: Option<Batch>,
    /// What is stored and has not been told, in the order of versions.
    stored: VecDeque<(Version, Vec<(GroupName, UserId)>)>,
    reading: Option<Reading>,
    /// When the next heartbeat is due, and what was known when one was sent that is not answered.
    heartbeat_at: Instant,
    heartbeat: Option<(Version, Instant)>,
    /// A dead node whose facts are to be cleared, and when.
    dead: Option<(NodeId, Instant)>,
    is_clearing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    /// Whether the request has been made.
    Subscribing(bool),
    Greeting,
    Up,
}

/// What is being said.
#[derive(Debug)]
struct Batch {
    users: Vec<(GroupName, UserId)>,
    known: Version,
}

/// What is being read.
#[derive(Debug)]
struct Reading {
    groups: Vec<GroupName>,
    known: Version,
    /// What comes of it is to be at least this new.
    since: Version,
    /// The history it is asked of has ended.
    is_void: bool,
}

impl<C: Chance> Shard<C> {
    pub(crate) fn new(timing: Timing, mut chance: C, now: Instant) -> Self {
        Self {
            last: NodeId::new(chance.number()),
            timing,
            chance,
            link: Link::Down,
            lost: Some(now),
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
            unsaid: BTreeSet::new(),
            said_last: None,
            unread: BTreeSet::new(),
            batch: None,
            stored: VecDeque::new(),
            reading: None,
            heartbeat_at: now,
            heartbeat: None,
            dead: None,
            is_clearing: false,
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

    /// This node serves a group from now on.
    pub(crate) fn serve(&mut self, group: GroupName) {
        self.unread.insert(group);
    }

    /// This node does not serve a group any more.
    pub(crate) fn unserve(&mut self, group: &GroupName) {
        self.unread.remove(group);
        self.unsaid.remove(group);
    }

    /// A group has something that the store is to be told.
    pub(crate) fn changed(&mut self, group: GroupName) {
        self.unsaid.insert(group);
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
        self.lost.get_or_insert(now);
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
        let is_lost = self.lost.is_some_and(|since| since + self.timing.patience <= now);
        self.set_alone(is_lost, groups);
    }

    /// Forgets who was held, when it is time to.
    fn release(&mut self, groups: &mut impl Groups) {
        let is_told = self.release_at.is_some_and(|version| version <= self.known);
        if is_told && self.unread.is_empty() && self.reading.is_none() {
            (self.hold_until, self.release_at) = (None, None);
            groups.each(|_, facts, view| facts.release(view));
        }
    }

    fn set_alone(&mut self, is_alone: bool, groups: &mut impl Groups) {
        if mem::replace(&mut self.is_alone, is_alone) != is_alone {
            groups.each(|_, facts, view| facts.set_alone(is_alone, view));
        }
    }

    /// When to [advance](Self::advanced) and to look for [requests](Self::next) at the latest.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let alone = self.lost.map(|since| since + self.timing.patience);
        let alone = alone.filter(|_| !self.is_alone);
        let heartbeat = (self.link == Link::Up).then_some(self.heartbeat_at);
        let clear = self.dead.filter(|_| self.link == Link::Up).map(|(_, at)| at);
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

    fn batch(&mut self, groups: &mut impl Groups) -> Option<Request> {
        let node = self.us?;
        let mut said: Vec<Said> = Vec::new();
        while said.len() < BATCH
            && let Some(group) = self.next_unsaid()
        {
            let most = BATCH - said.len();
            let rest = groups.with(&group, |facts, _| {
                facts.say(&group, most, &mut said);
                facts.is_unsaid()
            });
            if rest != Some(true) {
                self.unsaid.remove(&group);
            }
            self.said_last = Some(group);
        }
        if said.is_empty() {
            return None;
        }
        let users = said.iter().map(|said| (said.group.clone(), said.user.clone())).collect();
        self.batch = Some(Batch { users, known: self.known });
        Some(Request::Apply { node, epoch: self.epoch, said })
    }

    /// They take turns, so that none waits for ever.
    fn next_unsaid(&self) -> Option<GroupName> {
        use std::ops::Bound::{Excluded, Unbounded};
        let last = self.said_last.as_ref().map_or(Unbounded, Excluded);
        let after = self.unsaid.range::<GroupName, _>((last, Unbounded)).next();
        after.or_else(|| self.unsaid.first()).cloned()
    }

    fn read(&mut self, groups: &mut impl Groups) -> Option<Request> {
        let mut asked = Vec::new();
        while asked.len() < READING
            && let Some(group) = self.unread.pop_first()
        {
            if groups.with(&group, |facts, _| facts.asked()).is_some() {
                asked.push(group);
            }
        }
        if asked.is_empty() {
            return None;
        }
        let since = Version::default();
        self.reading =
            Some(Reading { groups: asked.clone(), known: self.known, since, is_void: false });
        Some(Request::Read { groups: asked })
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
        if self.lost.is_some() && self.is_whole() {
            self.lost = None;
            self.set_alone(false, groups);
        }
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
        let is_another_server = mem::take(&mut self.is_another_server);
        if is_another_server || self.is_another_history(at, asked) {
            self.begin_again(at, now, groups);
        } else if is_greeting {
            // What was told before the subscription does not come.
            self.missed(at.version, groups);
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

    fn refused(&mut self, now: Instant, groups: &mut impl Groups) {
        self.give_up();
        self.heartbeat = None;
        self.heartbeat_at = now;
        self.say_batch_again(groups);
    }

    fn give_up(&mut self) {
        self.old.extend(self.us.take());
        self.is_registered = false;
    }

    fn applied(&mut self, at: Position, now: Instant, groups: &mut impl Groups) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        if self.is_another_history(at, batch.known) {
            self.say_again(batch.users, groups);
            return self.begin_again(at, now, groups);
        }
        for (group, user) in &batch.users {
            groups.with(group, |facts, _| facts.stored(user, at.version));
        }
        self.stored.push_back((at.version, batch.users));
        self.settle(groups);
    }

    /// It is not known whether this is stored.
    fn say_again(&mut self, users: Vec<(GroupName, UserId)>, groups: &mut impl Groups) {
        for (group, user) in users {
            self.with(&group, groups, |facts, _| facts.say_again(&user));
        }
    }

    /// No answer to the batch is waited for any more.
    fn say_batch_again(&mut self, groups: &mut impl Groups) {
        if let Some(batch) = self.batch.take() {
            self.say_again(batch.users, groups);
        }
    }

    /// What is stored and has been told is as it was said, or the group is read.
    fn settle(&mut self, groups: &mut impl Groups) {
        while let Some((_, users)) = self.stored.pop_front_if(|(at, _)| *at <= self.known) {
            for (group, user) in users {
                let (known, us) = (self.known, self.us);
                self.with(&group, groups, |facts, view| facts.reached(&user, known, us, view));
            }
        }
    }

    fn found(
        &mut self,
        at: Position,
        live: &[NodeId],
        found: Vec<(GroupName, Vec<(UserId, Stored)>)>,
        now: Instant,
        groups: &mut impl Groups,
    ) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        if !reading.is_void && self.is_another_history(at, reading.known) {
            self.begin_again(at, now, groups);
        } else if !reading.is_void && at.version >= reading.since {
            let (us, process, holds) = (self.us, self.last.process(), self.hold_until.is_some());
            let is_ours = |node: NodeId| node.process() == process;
            for (group, mut users) in found {
                users.retain(|(_, stored)| live.contains(&stored.node));
                self.with(&group, groups, |facts, view| {
                    facts.read(at.version, users, us, is_ours, holds, view);
                });
            }
        } else {
            for group in &reading.groups {
                self.with(group, groups, |facts, _| facts.missed());
            }
        }
    }

    /// A message has come, over the connection that there is.
    pub(crate) fn heard(&mut self, message: Message, now: Instant, groups: &mut impl Groups) {
        let Message { at, before, node, news } = message;
        if Some(at.generation) != self.generation {
            self.begin_again(at, now, groups);
        } else if at.version <= self.known {
            return;
        } else if before < self.known {
            // It follows on what is not the last that was told: that has been lost.
            self.begin_again(at, now, groups);
        } else if before > self.known {
            self.missed(before, groups);
        }
        self.known = at.version;
        let is_ours = node.process() == self.last.process();
        match news {
            News::Said(said) => {
                for Said { group, user, payload, .. } in said {
                    let told = Told { version: at.version, node, is_ours, user, payload };
                    self.with(&group, groups, |facts, view| facts.told(told, view));
                }
            }
            News::Dead => {
                self.each(groups, |facts, view| facts.dead(at.version, node, view));
                if Some(node) == self.us {
                    self.refused(now, groups);
                }
            }
        }
        self.settle(groups);
        self.release(groups);
    }

    /// Changes what is known of a group, and has it read, or has its users said, where that is to be
    /// done then.
    fn with(
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
    fn each(&mut self, groups: &mut impl Groups, mut change: impl FnMut(&mut Facts, &mut View)) {
        groups.each(|group, facts, view| {
            change(facts, view);
            self.note(group, facts);
        });
    }

    fn note(&mut self, group: &GroupName, facts: &Facts) {
        if facts.is_unread() {
            self.unread.insert(group.clone());
        }
        if facts.is_unsaid() {
            self.unsaid.insert(group.clone());
        }
    }

    /// Whether the shard is not what it was when it was known up to `asked`.
    fn is_another_history(&self, at: Position, asked: Version) -> bool {
        Some(at.generation) != self.generation || at.version < asked
    }

    /// Something up to this version was not told.
    fn missed(&mut self, version: Version, groups: &mut impl Groups) {
        if let Some(reading) = &mut self.reading {
            reading.since = reading.since.max(version);
        }
        self.each(groups, |facts, _| facts.missed_until(version));
    }

    /// What the store holds is not what was known: it is read again, and who is missing there is
    /// kept for a while.
    fn begin_again(&mut self, at: Position, now: Instant, groups: &mut impl Groups) {
        let is_first = self.generation.replace(at.generation).is_none();
        self.known = at.version;
        self.awaited = at.version;
        if !is_first {
            (self.hold_until, self.release_at) = (Some(now + self.timing.lease), None);
            // Older data may hold facts of this node in groups that it has left since. They end with
            // the registration.
            self.give_up();
            (self.heartbeat, self.heartbeat_at) = (None, now);
        }
        if let Some(reading) = &mut self.reading {
            reading.is_void = true;
        }
        // What was asked before may be answered out of the new history.
        self.say_batch_again(groups);
        for (_, users) in mem::take(&mut self.stored) {
            self.say_again(users, groups);
        }
        self.each(groups, |facts, _| facts.missed());
    }
}
