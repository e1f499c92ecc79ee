//! What is heard and answered before the task has looked at a group.

use std::time::Duration;

use parking_lot::Mutex;
use serde_json::value::RawValue;

use super::{
    super::{
        node::{
            Answer, Generation, Message, News, NodeId, Position, Request, Said, ServerId, Stored,
            Version,
        },
        outgoing::Post,
        settings::RedisStore,
        text,
    },
    *,
};
use crate::{name::UserId, roster::Payload, store::whom::Whom};

/// The groups of a hub.
#[derive(Default)]
struct Hub(Mutex<Vec<(GroupName, Facts, View)>>);

impl Host for Hub {
    fn change(&self, group: &GroupName, change: &mut dyn FnMut(&mut Facts, &mut View)) -> bool {
        let mut groups = self.0.lock();
        let found = groups.iter_mut().find(|(name, ..)| name == group);
        found.map(|(_, facts, view)| change(facts, view)).is_some()
    }

    fn serves(&self, _: &Whom) -> bool {
        true
    }

    fn deliver(&self, _: &Whom, _: &str, _: &RawValue) {}

    fn count_unsent(&self, _: u64) {}

    fn count_unreadable(&self) {}
}

impl Hub {
    fn is_shown(&self, group: &GroupName, user: &UserId) -> bool {
        let groups = self.0.lock();
        groups.iter().any(|(name, facts, _)| name == group && facts.is_shown(user))
    }
}

fn at(version: u64) -> Position {
    Position { generation: Generation(1), version: Version(version) }
}

struct World {
    shards: Shards,
    hub: Hub,
    now: Instant,
}

impl World {
    /// A node that the store knows, and its name. It serves nothing yet.
    fn registered() -> (Self, NodeId) {
        let settings = RedisStore::at("redis://127.0.0.1").shards(1).check().expect("settings");
        let (_looks, looked) = mpsc::unbounded_channel();
        let (_post, letters) = Post::new();
        let shards = Shards::new(&settings, 1, looked, letters);
        let mut world = Self { shards, hub: Hub::default(), now: now() };
        world.shards.all[0].shard.connected(ServerId(1));
        assert!(matches!(world.asks()[..], [Request::Subscribe]));
        world.answer(Answer::Subscribed);
        let node = world.registers(1);
        (world, node)
    }

    /// The node asks for a name, and gets it.
    fn registers(&mut self, version: u64) -> NodeId {
        let asked = self.asks();
        let [Request::Heartbeat { node, .. }] = asked[..] else { panic!("{asked:?}") };
        self.answer(Answer::Alive { node, at: at(version), dead: None });
        node
    }

    /// The task takes the look from its channel.
    fn looks_at(&mut self, group: &GroupName) {
        self.shards.look(group, None, &self.hub);
    }

    fn asks(&mut self) -> Vec<Request> {
        let (now, hub) = (self.now, &self.hub);
        self.shards.with(0, hub, |shard, groups| {
            shard.advanced(now, groups);
            std::iter::from_fn(|| shard.next(now, groups)).collect()
        })
    }

    fn answer(&mut self, answer: Answer) {
        let (now, hub) = (self.now, &self.hub);
        self.shards.with(0, hub, |shard, groups| shard.answered(answer, now, groups));
    }

    fn hear(&mut self, message: Message) {
        let (now, hub) = (self.now, &self.hub);
        self.shards.with(0, hub, |shard, groups| shard.heard(message, now, groups));
    }

    /// Some heartbeats, and whatever is read for them: of user 7, who is there no more, nothing.
    fn goes_on(&mut self, version: u64, live: NodeId) {
        for _ in 0..10 {
            self.now += Duration::from_secs(3);
            for request in self.asks() {
                match request {
                    Request::Heartbeat { node, .. } => {
                        self.answer(Answer::Alive { node, at: at(version), dead: None });
                    }
                    Request::Read { groups } => {
                        let groups = groups.into_iter().map(|group| (group, Vec::new()));
                        let groups = groups.collect();
                        self.answer(Answer::Read { at: at(version), live: vec![live], groups });
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// A new group is in the hub, and the task has not taken the look at it from its channel:
/// `select!` takes pushes and answers first.
#[test]
fn a_node_that_dies_before_the_task_has_looked_at_a_new_group_is_forgotten_there() {
    let (mut world, node) = World::registered();
    let (group, user) = (text::group("room:1").unwrap(), text::user("7").unwrap());

    // Somebody here begins to serve the group: the look is in the channel.
    world.hub.0.lock().push((group.clone(), Facts::new(false), View::default()));
    // Another node says that user 7 is there.
    let other = NodeId::first(2);
    let payload = Some(Payload::IdOnly);
    let said = vec![Said { group: group.clone(), user: user.clone(), payload }];
    world.hear(Message { at: at(2), before: Version(1), node: other, news: News::Said(said) });
    let asked = world.asks();
    // The store answers the reading, then the other node dies, and the message is seen first.
    world.hear(Message { at: at(3), before: Version(2), node: other, news: News::Dead });
    for request in asked {
        let Request::Read { groups } = request else { panic!("{request:?}") };
        let stored = Stored { node: other, written: Version::default(), payload: Payload::IdOnly };
        let groups = groups.into_iter().map(|g| (g, vec![(user.clone(), stored.clone())]));
        let (groups, live) = (groups.collect(), vec![node, other]);
        world.answer(Answer::Read { at: at(2), live, groups });
    }
    world.asks();
    // Now the task takes the look.
    world.looks_at(&group);
    world.goes_on(3, node);
    assert!(!world.hub.is_shown(&group, &user), "it would be shown for ever");
}

#[test]
fn a_node_that_takes_a_new_name_before_it_has_looked_at_a_group_says_who_is_there() {
    let (mut world, node) = World::registered();
    let (group, user) = (text::group("room:1").unwrap(), text::user("9").unwrap());
    let (mut facts, mut view) = (Facts::new(false), View::default());
    facts.want(&user, Some(crate::roster::Answer::id_only()), &mut view);
    world.hub.0.lock().push((group.clone(), facts, view));
    let other = NodeId::first(2);
    let someone = text::user("7").unwrap();
    let said = vec![Said { group: group.clone(), user: someone, payload: Some(Payload::IdOnly) }];
    world.hear(Message { at: at(2), before: Version(1), node: other, news: News::Said(said) });
    for request in world.asks() {
        match request {
            Request::Apply { said, .. } => {
                let news = News::Said(said);
                world.hear(Message { at: at(3), before: Version(2), node, news });
                world.answer(Answer::Applied { at: at(3) });
            }
            Request::Read { groups } => {
                let groups = groups.into_iter().map(|group| (group, Vec::new())).collect();
                world.answer(Answer::Read { at: at(2), live: vec![node, other], groups });
            }
            other => panic!("{other:?}"),
        }
    }
    world.hear(Message { at: at(4), before: Version(3), node, news: News::Dead });
    let next = world.registers(4);
    let mut asked = world.asks();
    world.looks_at(&group);
    asked.extend(world.asks());
    let is_said = asked.iter().any(|request| {
        let Request::Apply { node, said, .. } = request else { return false };
        *node == next && said.iter().any(|said| said.user == user && said.payload.is_some())
    });
    assert!(is_said, "nobody else would ever know: {asked:?}");
}
