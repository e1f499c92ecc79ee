//! Nodes, a store, and a network between them that does what networks do. One seed gives one course
//! of events.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::{Duration, Instant},
};

use super::{
    super::{
        Chance, Facts, Groups, Shard,
        words::{self, Answer, Message, Request, ServerId, Timing, Version},
    },
    store::Model,
};
use crate::{
    name::{GroupName, UserId},
    roster::{Answer as Shown, Change, Member, Payload, View},
};

const MS: Duration = Duration::from_millis(1);

/// A node gives a connection up on which it has waited so long for an answer.
const ANSWER: Duration = Duration::from_secs(1);

/// Small numbers at random.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// `SplitMix64`, by Steele, Lea and Flood.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

impl Chance for Random {
    fn number(&mut self) -> u64 {
        self.next()
    }
}

/// What the network does to messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Of a hundred messages so many are lost, doubled, and overtaken; of a hundred answers so many are
    /// overtaken.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) overtaken: u64,
    /// Messages and answers come over different connections.
    pub(crate) is_split: bool,
}

pub(crate) struct World {
    start: Instant,
    pub(crate) now: Duration,
    pub(crate) timing: Timing,
    random: Random,
    weather: Weather,
    store: Model,
    /// The store as it was at some times before.
    saved: Vec<(Duration, Model)>,
    /// Until when the store is down.
    down_until: Duration,
    restarts: u64,
    nodes: Vec<Node>,
    events: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    parcels: Vec<Option<Parcel>>,
    connections: u64,
    /// Those who have moved to another node, where the store had the join before the leave was
    /// wanted: nobody sees them leave, unless something else happens.
    moved: BTreeSet<(GroupName, UserId)>,
}

enum Parcel {
    Connected(usize, u64),
    Asked(usize, u64, Request),
    Answered(usize, u64, Answer),
    Told(usize, u64, Message),
    /// Looks at the clock.
    Woken(usize),
    /// The task looks at a group.
    Looked(usize, GroupName),
}

/// What a node has asked of the store, and heard from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) heartbeats: usize,
    /// Batches of changes.
    pub(crate) batches: usize,
    pub(crate) other_requests: usize,
    /// Messages.
    pub(crate) heard: usize,
}

/// A process, or the one that takes its place after a crash.
pub(crate) struct Node {
    shard: Shard<Random>,
    groups: Served,
    /// Who is connected here, and how they are shown.
    pub(crate) wanted: BTreeMap<(GroupName, UserId), Payload>,
    connection: Option<u64>,
    /// The connection that is being made, or stands.
    attempt: u64,
    is_subscribed: bool,
    /// Requests that have no answer, with the time of the first.
    waiting: Vec<Duration>,
    /// When what was sent last arrives: to the store, answers, messages, and what is read to the store
    /// and back, which goes over a connection of its own.
    arrives: [Duration; 5],
    hangs_until: Duration,
    cut_until: Duration,
    /// When the last trouble of its own ended.
    troubled_until: Duration,
    /// It has been silent for longer than a lease, so the others may have seen its users leave.
    was_dead: bool,
    /// Who has been told to be there, by the deltas.
    told: BTreeSet<(GroupName, UserId)>,
    /// Since which version they are wanted without interruption.
    wanted_at: BTreeMap<(GroupName, UserId), Version>,
    /// What this node has known of other processes, and which version had written it.
    knows: BTreeMap<((GroupName, UserId), u64), Version>,
    woken_at: Duration,
    traffic: Traffic,
    /// About whom somebody waits until the store has answered.
    awaits: BTreeSet<(GroupName, UserId)>,
}

/// The groups of a node, and the names of those that its task has looked at: all, where there are none.
#[derive(Default)]
pub(crate) struct Served(
    pub(crate) BTreeMap<GroupName, (Facts, View)>,
    pub(crate) Option<BTreeSet<GroupName>>,
);

fn has(looked_at: Option<&BTreeSet<GroupName>>, group: &GroupName) -> bool {
    looked_at.is_none_or(|looked_at| looked_at.contains(group))
}

impl Groups for Served {
    fn with<T>(
        &mut self,
        group: &GroupName,
        change: impl FnOnce(&mut Facts, &mut View) -> T,
    ) -> Option<T> {
        if !has(self.1.as_ref(), group) {
            return None;
        }
        self.0.get_mut(group).map(|(facts, view)| change(facts, view))
    }

    fn each(&mut self, mut change: impl FnMut(&GroupName, &mut Facts, &mut View)) {
        let Self(groups, looked_at) = self;
        for (group, (facts, view)) in groups {
            if has(looked_at.as_ref(), group) {
                change(group, facts, view);
            }
        }
    }
}

/// By which ways a request goes to the store, and its answer back.
fn ways(request: &Request) -> [usize; 2] {
    match request {
        Request::Read { .. } => [3, 4],
        _ => [0, 1],
    }
}

impl World {
    pub(crate) fn new(nodes: usize, groups: &[GroupName], weather: Weather, seed: u64) -> Self {
        let mut world = Self {
            start: Instant::now(),
            now: Duration::from_secs(1000),
            timing: Timing::default(),
            random: Random(seed),
            weather,
            store: Model::default(),
            saved: Vec::new(),
            down_until: Duration::ZERO,
            restarts: 0,
            nodes: Vec::new(),
            events: BinaryHeap::new(),
            parcels: Vec::new(),
            connections: 0,
            moved: BTreeSet::new(),
        };
        for n in 0..nodes {
            let node = world.node(groups);
            world.nodes.push(node);
            world.connect(n);
            world.wake(n);
        }
        world
    }

    fn node(&mut self, groups: &[GroupName]) -> Node {
        let (chance, now) = (Random(self.random.next()), self.instant());
        let process = words::process(self.random.next());
        let mut shard = Shard::new(self.timing, process, chance, now);
        let mut served = Served(BTreeMap::new(), Some(groups.iter().cloned().collect()));
        for group in groups {
            served.0.insert(group.clone(), (Facts::new(false), View::default()));
            shard.look(group, &mut served);
        }
        Node {
            shard,
            groups: served,
            wanted: BTreeMap::new(),
            connection: None,
            attempt: 0,
            is_subscribed: false,
            waiting: Vec::new(),
            arrives: [Duration::ZERO; 5],
            hangs_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            troubled_until: Duration::ZERO,
            was_dead: false,
            told: BTreeSet::new(),
            wanted_at: BTreeMap::new(),
            knows: BTreeMap::new(),
            woken_at: Duration::MAX,
            traffic: Traffic::default(),
            awaits: BTreeSet::new(),
        }
    }

    /// What each node has asked and heard since this was called last.
    pub(crate) fn take_traffic(&mut self) -> Vec<Traffic> {
        self.nodes.iter_mut().map(|node| std::mem::take(&mut node.traffic)).collect()
    }

    fn instant(&self) -> Instant {
        self.start + self.now
    }

    // What happens to groups and to users.

    /// The task looks at a group, as that of a real node does.
    fn take_look(&mut self, n: usize, group: &GroupName) {
        let Node { shard, groups, .. } = &mut self.nodes[n];
        groups.1.get_or_insert_default().insert(group.clone());
        if !shard.look(group, groups)
            && let Some(looked_at) = &mut groups.1
        {
            looked_at.remove(group);
        }
    }

    /// A group has changed: the task is to look at it.
    fn has_changed(&mut self, n: usize, group: &GroupName) {
        let slow = if self.random.below(10) == 0 { 10 } else { 1 };
        let at = self.now + slow * self.delay();
        self.send(at, Parcel::Looked(n, group.clone()));
        self.look(n);
    }

    /// A node serves a group, as when somebody subscribes to it.
    pub(crate) fn serve(&mut self, n: usize, group: &GroupName) {
        let node = &mut self.nodes[n];
        if !node.groups.0.contains_key(group) {
            let facts = Facts::new(node.shard.is_alone());
            node.groups.0.insert(group.clone(), (facts, View::default()));
            self.has_changed(n, group);
        }
    }

    /// A node serves a group no more, if nothing is lost by it.
    pub(crate) fn unserve(&mut self, n: usize, group: &GroupName) {
        let node = &mut self.nodes[n];
        let is_idle = node.groups.0.get(group).map(|(facts, _)| facts.is_idle());
        if node.hangs_until <= self.now && is_idle == Some(true) {
            node.groups.0.remove(group);
            node.awaits.retain(|(of, _)| of != group);
            node.told.retain(|(of, _)| of != group);
            node.knows.retain(|((of, _), _), _| of != group);
            self.has_changed(n, group);
        }
    }

    /// Users of a node come, go, or are shown otherwise.
    pub(crate) fn want(
        &mut self,
        n: usize,
        group: &GroupName,
        user: &UserId,
        payload: Option<Payload>,
    ) {
        let key = (group.clone(), user.clone());
        self.moved.remove(&key);
        self.change(n, key, payload);
    }

    fn change(&mut self, n: usize, key: (GroupName, UserId), payload: Option<Payload>) {
        let (group, user) = (&key.0.clone(), &key.1.clone());
        self.serve(n, group);
        let node = &mut self.nodes[n];
        match &payload {
            Some(payload) => {
                node.wanted.insert(key.clone(), payload.clone());
                node.wanted_at.entry(key).or_insert(self.store.next_version(self.now));
            }
            None => {
                node.wanted.remove(&key);
                node.wanted_at.remove(&key);
            }
        }
        let answer = payload.map(|payload| Shown { payload, ..Shown::id_only() });
        let is_unsaid =
            node.groups.0.get_mut(group).map(|(facts, view)| facts.want(user, answer, view));
        if node.groups.0.get_mut(group).is_some_and(|(facts, _)| facts.await_stored(user)) {
            node.awaits.insert((group.clone(), user.clone()));
        }
        if is_unsaid == Some(true) {
            self.has_changed(n, group);
        } else {
            self.turn(n);
        }
    }

    /// Somebody moves from one node to another: the join is there when the leave comes.
    pub(crate) fn move_to(&mut self, from: usize, to: usize, group: &GroupName, user: &UserId) {
        let key = (group.clone(), user.clone());
        if let Some(payload) = self.nodes[from].wanted.get(&key).cloned() {
            self.want(to, group, user, Some(payload));
            // A handshake waits so long for the store.
            self.run(250 * MS);
            // A node that stands still, or is cut off, lets nobody in, and what it has said before may
            // be cleared away at any time.
            let is_there = self.nodes[to].hangs_until <= self.now
                && self.is_reached(to)
                && self.nodes[to].shard.is_whole();
            let has_moved = from != to
                && !self.nodes[from].shard.is_alone()
                && is_there
                && self.store.has(group, user, self.nodes[to].shard.process());
            if has_moved {
                self.moved.insert(key.clone());
            }
            self.change(from, key, None);
        }
    }

    // What happens to nodes and to the store.

    /// A node is killed, and another one started in its place.
    pub(crate) fn crash(&mut self, n: usize) {
        self.moved.clear();
        let groups: Vec<_> = self.nodes[n].groups.0.keys().cloned().collect();
        self.nodes[n] = self.node(&groups);
        self.connect(n);
        self.wake(n);
    }

    /// A node stands still.
    pub(crate) fn hang(&mut self, n: usize, time: Duration) {
        let until = self.now + time;
        if self.may_be_troubled(n, time) {
            self.moved.clear();
            self.nodes[n].hangs_until = until;
            self.wake_at(n, until);
        }
    }

    /// A node and the store do not reach each other.
    pub(crate) fn cut(&mut self, n: usize, time: Duration) {
        if self.may_be_troubled(n, time) {
            self.moved.clear();
            self.nodes[n].cut_until = self.now + time;
        }
    }

    /// So that it is known who may have seemed dead, troubles do not follow on each other closely.
    fn may_be_troubled(&mut self, n: usize, time: Duration) -> bool {
        let (now, lease) = (self.now, self.timing.lease);
        let node = &mut self.nodes[n];
        if now < node.troubled_until + 4 * 1000 * MS || now < self.down_until + 4 * 1000 * MS {
            return false;
        }
        node.troubled_until = now + time;
        node.was_dead |= time > lease / 3;
        true
    }

    /// The store closes a connection.
    pub(crate) fn kill(&mut self, n: usize) {
        if self.nodes[n].hangs_until <= self.now {
            self.lose(n);
        }
    }

    /// The store is away for a time, and comes back as it was so long before, or empty.
    pub(crate) fn restart(&mut self, time: Duration, before: Option<Duration>) {
        let is_troubled = self.nodes.iter().any(|node| self.now < node.troubled_until + 4000 * MS);
        if is_troubled || self.now < self.down_until + 4 * 1000 * MS {
            return;
        }
        self.moved.clear();
        self.down_until = self.now + time;
        self.restarts += 1;
        match before {
            None => self.store = Model::default(),
            Some(before) => {
                let until = self.now.saturating_sub(before);
                let saved = self.saved.iter().rev().find(|(at, _)| *at <= until);
                self.store = saved.map_or_else(Model::default, |(_, model)| model.clone());
            }
        }
        self.saved.clear();
        for n in 0..self.nodes.len() {
            self.lose(n);
        }
    }

    /// Everything in the store is deleted, and nothing else happens.
    pub(crate) fn flush(&mut self) {
        self.moved.clear();
        self.store = Model::default();
        self.saved.clear();
    }

    /// Whoever has trouble has it no more.
    pub(crate) fn heal(&mut self) {
        self.weather = Weather { is_split: self.weather.is_split, ..Weather::default() };
        self.down_until = self.down_until.min(self.now);
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            node.cut_until = node.cut_until.min(self.now);
            node.hangs_until = node.hangs_until.min(self.now);
            self.wake(n);
        }
    }

    // The course of time.

    /// Goes on for a time.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at <= end
            && let Some(Reverse((at, _, parcel))) = self.events.pop()
        {
            self.now = self.now.max(at);
            if let Some(parcel) = self.parcels[parcel].take() {
                self.deliver(parcel);
            }
        }
        self.now = end;
    }

    fn send(&mut self, at: Duration, parcel: Parcel) {
        self.parcels.push(Some(parcel));
        let number = self.parcels.len();
        self.events.push(Reverse((at, number as u64, number - 1)));
    }

    fn delay(&mut self) -> Duration {
        let most = if self.random.below(20) == 0 { 200_000 } else { 2000 };
        Duration::from_micros(100 + self.random.below(most))
    }

    /// When something arrives that is sent now behind what was sent before.
    fn in_order(&mut self, n: usize, way: usize) -> Duration {
        let way = if way == 2 && !self.weather.is_split { 1 } else { way };
        let at = (self.now + self.delay()).max(self.nodes[n].arrives[way]);
        self.nodes[n].arrives[way] = at;
        at
    }

    fn wake(&mut self, n: usize) {
        self.wake_at(n, self.now);
    }

    fn wake_at(&mut self, n: usize, at: Duration) {
        self.nodes[n].woken_at = at;
        self.send(at, Parcel::Woken(n));
    }

    fn connect(&mut self, n: usize) {
        self.connections += 1;
        let connection = self.connections;
        let pause = Duration::from_millis(100 + self.random.below(400));
        (self.nodes[n].connection, self.nodes[n].attempt) = (None, connection);
        self.send(self.now + pause, Parcel::Connected(n, connection));
        self.nodes[n].arrives = [Duration::ZERO; 5];
        self.nodes[n].waiting.clear();
        self.nodes[n].is_subscribed = false;
        self.nodes[n].woken_at = Duration::MAX;
    }

    fn lose(&mut self, n: usize) {
        let now = self.instant();
        let node = &mut self.nodes[n];
        node.shard.disconnected(now, &mut node.groups);
        self.connect(n);
        self.turn(n);
    }

    fn is_reached(&self, n: usize) -> bool {
        self.now >= self.down_until && self.now >= self.nodes[n].cut_until
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Woken(n) => {
                if self.nodes[n].woken_at <= self.now {
                    self.nodes[n].woken_at = Duration::MAX;
                    self.turn(n);
                }
            }
            Parcel::Looked(n, group) => {
                if self.nodes[n].hangs_until > self.now {
                    let until = self.nodes[n].hangs_until;
                    return self.send(until, Parcel::Looked(n, group));
                }
                self.take_look(n, &group);
                self.turn(n);
            }
            Parcel::Connected(n, connection) => {
                if connection != self.nodes[n].attempt {
                    return;
                }
                if !self.is_reached(n) || self.nodes[n].hangs_until > self.now {
                    let at = self.now + 200 * MS;
                    return self.send(at, Parcel::Connected(n, connection));
                }
                self.nodes[n].connection = Some(connection);
                let server = ServerId(self.restarts);
                self.nodes[n].shard.connected(server);
                self.turn(n);
            }
            Parcel::Asked(n, connection, request) => {
                // What was sent before the connection was lost may arrive all the same.
                if self.now < self.down_until || self.now < self.nodes[n].cut_until {
                    return;
                }
                self.carry_out(n, connection, request);
            }
            Parcel::Answered(n, connection, answer) => {
                if self.is_late(n, connection, || Parcel::Answered(n, connection, answer.clone())) {
                    return;
                }
                let now = self.instant();
                let node = &mut self.nodes[n];
                if !node.waiting.is_empty() {
                    node.waiting.remove(0);
                }
                node.shard.answered(answer, now, &mut node.groups);
                self.turn(n);
            }
            Parcel::Told(n, connection, message) => {
                if self.is_late(n, connection, || Parcel::Told(n, connection, message.clone())) {
                    return;
                }
                let now = self.instant();
                let node = &mut self.nodes[n];
                node.traffic.heard += 1;
                node.shard.heard(message, now, &mut node.groups);
                self.turn(n);
            }
        }
    }

    /// Whether something comes too late for the node, or is put off until the node goes on.
    fn is_late(&mut self, n: usize, connection: u64, again: impl FnOnce() -> Parcel) -> bool {
        let node = &self.nodes[n];
        if node.connection != Some(connection) || node.cut_until > self.now {
            return true;
        }
        if node.hangs_until > self.now {
            let until = node.hangs_until;
            self.send(until, again());
            return true;
        }
        false
    }

    fn carry_out(&mut self, n: usize, connection: u64, request: Request) {
        if let Request::Subscribe = request
            && self.nodes[n].connection == Some(connection)
        {
            self.nodes[n].is_subscribed = true;
        }
        let [_, way] = ways(&request);
        let random = self.random.next();
        let (answer, told) = self.store.answer(request, self.now, &self.timing, random);
        if self.saved.last().is_none_or(|(at, _)| *at + 500 * MS < self.now) {
            self.saved.push((self.now, self.store.clone()));
        }
        for message in told {
            for to in 0..self.nodes.len() {
                self.tell(to, &message);
            }
        }
        if self.nodes[n].connection == Some(connection) {
            let mut at = self.in_order(n, way);
            if self.random.below(100) < self.weather.overtaken {
                at += 3 * self.delay();
            }
            self.send(at, Parcel::Answered(n, connection, answer));
        }
    }

    fn tell(&mut self, to: usize, message: &Message) {
        let Weather { lost, doubled, overtaken, .. } = self.weather;
        let (Some(connection), true) = (self.nodes[to].connection, self.nodes[to].is_subscribed)
        else {
            return;
        };
        if self.random.below(100) < lost {
            return;
        }
        let mut at = self.in_order(to, 2);
        if self.random.below(100) < overtaken {
            at += 3 * self.delay();
        }
        self.send(at, Parcel::Told(to, connection, message.clone()));
        if self.random.below(100) < doubled {
            let again = at + self.delay();
            self.send(again, Parcel::Told(to, connection, message.clone()));
        }
    }

    /// A node does what it has to do now.
    fn turn(&mut self, n: usize) {
        if self.nodes[n].hangs_until > self.now {
            return;
        }
        let now = self.instant();
        let waits = self.nodes[n].waiting.first();
        if waits.is_some_and(|since| *since + ANSWER <= self.now) {
            return self.lose(n);
        }
        let node = &mut self.nodes[n];
        node.shard.advanced(now, &mut node.groups);
        if node.shard.is_alone() {
            // It cannot know who has moved.
            self.moved.clear();
        }
        while let Some(connection) = self.nodes[n].connection {
            let node = &mut self.nodes[n];
            let Some(request) = node.shard.next(now, &mut node.groups) else { break };
            node.waiting.push(self.now);
            match request {
                Request::Heartbeat { .. } => node.traffic.heartbeats += 1,
                Request::Apply { .. } => node.traffic.batches += 1,
                _ => node.traffic.other_requests += 1,
            }
            let [way, _] = ways(&request);
            let at = self.in_order(n, way);
            self.send(at, Parcel::Asked(n, connection, request));
        }
        self.look(n);
        let node = &self.nodes[n];
        let due = node.shard.wake_at().map(|at| at.duration_since(self.start));
        let given_up = node.waiting.first().map(|since| *since + ANSWER);
        if let Some(at) = [due, given_up].into_iter().flatten().min() {
            let at = at.max(self.now + MS);
            if at < node.woken_at {
                self.wake_at(n, at);
            }
        }
    }

    /// Looks at what a watcher on this node is told.
    fn look(&mut self, n: usize) {
        let now = self.instant();
        let mut left = Vec::new();
        let node = &mut self.nodes[n];
        for (group, (facts, _)) in &mut node.groups.0 {
            for user in facts.take_settled() {
                node.awaits.remove(&(group.clone(), user));
            }
        }
        for (group, (_, view)) in &mut node.groups.0 {
            for change in view.take_changes(now) {
                let key = (group.clone(), change.member().id().clone());
                match change {
                    Change::Joined(_) => {
                        assert!(node.told.insert(key), "a join of somebody who is there");
                    }
                    Change::Left(_) => {
                        assert!(node.told.remove(&key), "a leave of somebody who is not there");
                        left.push(key);
                    }
                    Change::Updated(_) => {
                        assert!(node.told.contains(&key), "an update of somebody who is not there");
                    }
                }
            }
        }
        for (group, (facts, _)) in &node.groups.0 {
            for (user, stored) in facts.of_others() {
                let key = ((group.clone(), user.clone()), stored.node.process());
                node.knows.insert(key, stored.written);
            }
        }
        for key in left {
            assert!(!self.moved.contains(&key), "node {n} sees {key:?} leave, who has moved");
            let is_known = |other: &Node| {
                let fact = (key.clone(), other.shard.process());
                let known = self.nodes[n].knows.get(&fact);
                other.wanted_at.get(&key).is_some_and(|since| known.is_some_and(|at| at >= since))
            };
            let stays = |at: usize, other: &Node| {
                at == n && other.wanted.contains_key(&key) || is_known(other)
            };
            let stays = (0..self.nodes.len())
                .find(|&at| !self.nodes[at].was_dead && stays(at, &self.nodes[at]));
            assert!(stays.is_none(), "node {n} sees {key:?} leave, who stayed on {stays:?}");
        }
    }

    // What is true.

    /// Panics where somebody waits in vain.
    pub(crate) fn awaits_nothing(&self) {
        for (n, node) in self.nodes.iter().enumerate() {
            assert!(node.awaits.is_empty(), "{n} awaits {:?}", node.awaits);
        }
    }

    /// Everybody goes, and nothing is kept.
    pub(crate) fn all_go(&mut self) {
        for n in 0..self.nodes.len() {
            let all: Vec<_> = self.nodes[n].wanted.keys().cloned().collect();
            for (group, user) in all {
                self.want(n, &group, &user, None);
            }
        }
        self.run(Duration::from_secs(60));
        self.agrees();
        self.awaits_nothing();
        for (facts, _) in self.nodes.iter().flat_map(|node| node.groups.0.values()) {
            assert!(facts.is_idle(), "{facts:#?}");
        }
    }

    /// A group's key is somebody else's.
    pub(crate) fn set_foreign(&mut self, group: &GroupName) {
        self.store.foreign.insert(group.clone());
    }

    /// Panics where a node does not show the truth.
    pub(crate) fn agrees(&mut self) {
        let now = self.instant();
        let mut truth: BTreeMap<GroupName, BTreeMap<UserId, Vec<String>>> = BTreeMap::new();
        for node in &self.nodes {
            for ((group, user), payload) in &node.wanted {
                let users = truth.entry(group.clone()).or_default();
                users.entry(user.clone()).or_default().push(format!("{payload:?}"));
            }
        }
        let mut shown: BTreeMap<(GroupName, UserId), String> = BTreeMap::new();
        for (n, node) in self.nodes.iter_mut().enumerate() {
            assert!(node.shard.is_whole() && !node.shard.is_alone(), "{n}: {:#?}", node.shard);
            for (group, (facts, view)) in &mut node.groups.0 {
                view.take_changes(now);
                let truth = truth.get(group).cloned().unwrap_or_default();
                let members = view.now().members();
                let there: BTreeSet<_> = members.iter().map(Member::id).collect();
                assert!(
                    there.iter().copied().eq(truth.keys()),
                    "node {n} shows {there:?} in {group}, and there are {truth:?}: {facts:#?}"
                );
                for member in members {
                    let key = (group.clone(), member.id().clone());
                    let payload = member.payload().get().to_owned();
                    let before = shown.entry(key).or_insert_with(|| payload.clone());
                    assert_eq!(*before, payload, "node {n} shows {member:?} otherwise");
                }
            }
        }
        let facts: usize = self.nodes.iter().map(|node| node.wanted.len()).sum();
        assert_eq!(self.store.facts(), facts, "the store holds what is true: {:#?}", self.store);
        assert!(self.store.nodes() <= 2 * self.nodes.len(), "{:#?}", self.store);
    }
}
