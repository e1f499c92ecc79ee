//! A node to which people come all the time, on a store that takes its time.

use std::time::{Duration, Instant};

use super::{
    Answer, Chance, Facts, Generation, Message, News, NodeId, Position, Request, Said, ServerId,
    Shard, Stored, Timing, Version, simulation::Served,
};
use crate::{
    name::{GroupName, UserId},
    roster::{Answer as Shown, View},
};

struct Half;

impl Chance for Half {
    fn number(&mut self) -> u64 {
        u64::MAX / 2
    }
}

fn group(n: u64) -> GroupName {
    GroupName::new(format!("room:{n:05}")).unwrap()
}

fn user(n: u64) -> UserId {
    UserId::new(format!("user-{n}")).unwrap()
}

fn at(version: u64) -> Position {
    Position { generation: Generation(1), version: Version(version) }
}

struct World {
    shard: Shard<Half>,
    groups: Served,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let mut shard = Shard::new(Timing::default(), 7, Half, now);
        shard.connected(ServerId(1));
        Self { shard, groups: Served::default(), now }
    }

    fn want(&mut self, group: &GroupName, user: &UserId, is_here: bool) {
        let (facts, view) = self
            .groups
            .0
            .entry(group.clone())
            .or_insert_with(|| (Facts::new(false), View::default()));
        facts.want(user, is_here.then(Shown::id_only), view);
        self.shard.look(group, &mut self.groups);
    }

    /// What is asked now.
    fn asks(&mut self) -> Vec<Request> {
        self.shard.advanced(self.now, &mut self.groups);
        std::iter::from_fn(|| self.shard.next(self.now, &mut self.groups)).collect()
    }

    fn answer(&mut self, answer: Answer) {
        self.shard.answered(answer, self.now, &mut self.groups);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.shard.advanced(self.now, &mut self.groups);
    }
}

/// Connects, and is registered. Gives what is asked then.
fn up(world: &mut World) -> Vec<Request> {
    assert!(matches!(world.asks()[..], [Request::Subscribe]));
    world.answer(Answer::Subscribed);
    let asked = world.asks();
    let [Request::Heartbeat { node, .. }] = asked[..] else { panic!("{asked:?}") };
    world.answer(Answer::Alive { node, at: at(1), dead: None });
    world.asks()
}

fn node_of(asked: &[Request]) -> (NodeId, Vec<Said>) {
    let said = asked.iter().find_map(|request| match request {
        Request::Apply { node, said, .. } => Some((*node, said.clone())),
        _ => None,
    });
    said.expect("something is said")
}

/// Answers what is asked to be read: those of whom the store has been told.
fn read(world: &mut World, asked: &[Request], live: NodeId, version: u64, has: &[Said]) {
    for request in asked {
        if let Request::Read { groups } = request {
            let facts = |group: &GroupName| {
                let of_group = has.iter().filter(|said| said.group == *group);
                let fact = |said: &Said| {
                    let payload = said.payload.clone()?;
                    let written = Version::default();
                    Some((said.user.clone(), Stored { node: live, written, payload }))
                };
                of_group.filter_map(fact).collect::<Vec<_>>()
            };
            let groups = groups.iter().map(|group| (group.clone(), facts(group))).collect();
            world.answer(Answer::Read { at: at(version), live: vec![live], groups });
        }
    }
}

/// Replies and messages come to the task by two ways, and `select!` takes either first.
#[test]
fn a_node_whose_message_comes_after_the_answers_is_with_the_store_all_the_same() {
    let mut world = World::new();
    world.want(&group(1), &user(1), true);
    let asked = up(&mut world);
    let (node, said) = node_of(&asked);
    // The store has done both, and the answers are taken before the message.
    world.answer(Answer::Applied { at: at(2) });
    read(&mut world, &asked, node, 2, &said);
    let news = News::Said(said);
    let message = Message { at: at(2), before: Version(1), node, news };
    world.shard.heard(message, world.now, &mut world.groups);
    let asked = world.asks();
    assert!(asked.is_empty(), "{asked:?}");
    assert!(world.shard.is_whole(), "all is said, read and heard");
    world.wait(Duration::from_millis(1500));
    assert!(!world.shard.is_alone(), "the store was never away, and all is said, read and heard");
}

/// A store that takes 100 ms for an answer, and 20 users a second who come into a shard.
#[test]
fn a_busy_node_is_with_a_slow_store() {
    let mut world = World::new();
    world.want(&group(1), &user(0), true);
    let mut asked = up(&mut world);
    let (node, _) = node_of(&asked);
    let (mut version, mut alone_for, mut has) = (1, Duration::ZERO, Vec::<Said>::new());
    // A minute, in steps of an answer.
    for step in 1..600_u64 {
        world.wait(Duration::from_millis(100));
        alone_for +=
            if world.shard.is_alone() { Duration::from_millis(100) } else { Duration::ZERO };
        // Two more have come while the answer was on its way.
        world.want(&group(1), &user(2 * step), true);
        world.want(&group(1), &user(2 * step + 1), true);
        for request in std::mem::take(&mut asked) {
            match request {
                Request::Apply { said, .. } => {
                    let before = Version(version);
                    version += 1;
                    has.extend(said.clone());
                    let news = News::Said(said);
                    let message = Message { at: at(version), before, node, news };
                    // In the best order: the message first.
                    world.shard.heard(message, world.now, &mut world.groups);
                    world.answer(Answer::Applied { at: at(version) });
                }
                Request::Heartbeat { node, .. } => {
                    world.answer(Answer::Alive { node, at: at(version), dead: None });
                }
                request @ Request::Read { .. } => {
                    read(&mut world, &[request], node, version, &has);
                }
                _ => {}
            }
        }
        asked = world.asks();
    }
    assert!(
        alone_for < Duration::from_secs(5),
        "alone for {alone_for:?} of a minute in which the store answered everything"
    );
}

/// Groups that come and go have others wait for ever.
#[test]
fn groups_are_read_in_turn() {
    let mut world = World::new();
    let last = group(99_999);
    world.want(&last, &user(1), true);
    let asked = up(&mut world);
    let (node, said) = node_of(&asked);
    read(&mut world, &asked, node, 1, &said);
    // It is to be read again, as after a message that was lost.
    let (facts, _) = world.groups.0.get_mut(&last).unwrap();
    facts.missed();
    for n in 0..64 {
        world.want(&group(n), &user(n), true);
    }
    world.shard.look(&last, &mut world.groups);
    let mut asked = world.asks();
    let mut was_read = false;
    for round in 1..100_u64 {
        // As many are new again.
        for n in 0..64 {
            world.want(&group(round * 64 + n), &user(n), true);
        }
        let groups = asked.iter().find_map(|request| match request {
            Request::Read { groups } => Some(groups.clone()),
            _ => None,
        });
        if let Some(groups) = groups {
            was_read |= groups.contains(&last);
            read(&mut world, &[Request::Read { groups }], node, 1, &[]);
        }
        asked = world.asks();
    }
    assert!(was_read, "one of the first that was to be read waits for 99 readings of 64 groups");
}

/// A store that takes 100 ms for an answer has lost everything; after that a room is new all the time.
#[test]
fn who_was_held_is_let_go_on_a_busy_node() {
    let mut world = World::new();
    let (room, gone) = (group(99_999), user(9));
    world.want(&room, &user(1), true);
    let asked = up(&mut world);
    let (node, said) = node_of(&asked);
    world.answer(Answer::Applied { at: at(2) });
    // Another node has said that user 9 is there.
    let other = NodeId::first(8);
    let mut has = said.clone();
    has.push(Said {
        group: room.clone(),
        user: gone.clone(),
        payload: Some(crate::roster::Payload::IdOnly),
    });
    for request in &asked {
        if let Request::Read { groups } = request {
            let facts = has.iter().enumerate().map(|(n, said)| {
                let node = if n == 0 { node } else { other };
                let payload = said.payload.clone().unwrap();
                (said.user.clone(), Stored { node, written: Version(1), payload })
            });
            let groups = vec![(groups[0].clone(), facts.collect())];
            world.answer(Answer::Read { at: at(2), live: vec![node, other], groups });
        }
    }
    assert!(world.groups.0[&room].0.is_shown(&gone));
    // Everything in the store is deleted, and the other node is there no more.
    let mut version = 10;
    let (mut has, mut pending) = (Vec::<Said>::new(), Vec::<Request>::new());
    let lost = |version| Position { generation: Generation(2), version: Version(version) };
    let mut shown_for = Duration::ZERO;
    for step in 0..1200_u64 {
        world.wait(Duration::from_millis(100));
        // A room that is new, while the answers are on their way.
        world.want(&group(step), &user(1), true);
        for request in std::mem::take(&mut pending) {
            match request {
                Request::Apply { said, node, .. } => {
                    let before = Version(version);
                    version += 1;
                    has.extend(said.clone());
                    let message =
                        Message { at: lost(version), before, node, news: News::Said(said) };
                    world.shard.heard(message, world.now, &mut world.groups);
                    world.answer(Answer::Applied { at: lost(version) });
                }
                Request::Heartbeat { node, .. } => {
                    world.answer(Answer::Alive { node, at: lost(version), dead: None });
                }
                Request::Read { groups } => {
                    let us = world.shard.us.unwrap_or(world.shard.last);
                    let facts = |group: &GroupName| {
                        let of_group = has.iter().filter(|said| said.group == *group);
                        of_group
                            .map(|said| {
                                let payload = said.payload.clone().unwrap();
                                (
                                    said.user.clone(),
                                    Stored { node: us, written: Version(1), payload },
                                )
                            })
                            .collect::<Vec<_>>()
                    };
                    let groups = groups.iter().map(|group| (group.clone(), facts(group))).collect();
                    world.answer(Answer::Read { at: lost(version), live: vec![us], groups });
                }
                _ => {}
            }
        }
        pending = world.asks();
        if world.groups.0[&room].0.is_shown(&gone) {
            shown_for = Duration::from_millis(100) * u32::try_from(step).unwrap();
        }
    }
    assert!(shown_for < Duration::from_secs(20), "who is not there is shown for {shown_for:?}");
}
