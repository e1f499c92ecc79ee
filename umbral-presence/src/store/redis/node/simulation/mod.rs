//! Many nodes, one store, and whatever may happen to them: seeded, and shrunk where it fails.

mod costs;
mod store;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::{Weather, World};
pub(crate) use self::{store::Model, world::Served};
use crate::{
    name::{GroupName, UserId},
    roster::Payload,
};

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    Come { node: usize, group: usize, user: usize, payload: usize },
    Go { node: usize, group: usize, user: usize },
    Move { from: usize, to: usize, group: usize, user: usize },
    Serve { node: usize, group: usize },
    Unserve { node: usize, group: usize },
    Wait { ms: u64 },
    Crash { node: usize },
    Hang { node: usize, ms: u64 },
    Cut { node: usize, ms: u64 },
    Kill { node: usize },
    Restart { ms: u64, before_ms: Option<u64> },
    Flush,
}

const NODES: usize = 3;
const GROUPS: usize = 3;
const USERS: usize = 4;

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (node, group, user) = (0..NODES, 0..GROUPS, 0..USERS);
    let come = (node.clone(), group.clone(), user.clone(), 0..3_usize)
        .prop_map(|(node, group, user, payload)| Act::Come { node, group, user, payload });
    let go = (node.clone(), group.clone(), user.clone()).prop_map(|(node, group, user)| Act::Go {
        node,
        group,
        user,
    });
    let serve = (node.clone(), group.clone()).prop_map(|(node, group)| Act::Serve { node, group });
    let unserve =
        (node.clone(), group.clone()).prop_map(|(node, group)| Act::Unserve { node, group });
    let moves = (node.clone(), node.clone(), group, user)
        .prop_map(|(from, to, group, user)| Act::Move { from, to, group, user });
    let wait = prop_oneof![0..5_u64, 0..500_u64, 0..12_000_u64].prop_map(|ms| Act::Wait { ms });
    let hang = (node.clone(), prop_oneof![10..3000_u64, 10_000..20_000_u64])
        .prop_map(|(node, ms)| Act::Hang { node, ms });
    let cut = (node.clone(), prop_oneof![10..3000_u64, 10_000..20_000_u64])
        .prop_map(|(node, ms)| Act::Cut { node, ms });
    let away = prop_oneof![10..2000_u64, 6000..20_000_u64];
    let before = prop_oneof![Just(None), Just(Some(0)), (1..8000_u64).prop_map(Some)];
    let restart = (away, before).prop_map(|(ms, before_ms)| Act::Restart { ms, before_ms });
    let act = prop_oneof![
        12 => come,
        8 => go,
        4 => moves,
        2 => serve,
        2 => unserve,
        12 => wait,
        1 => node.clone().prop_map(|node| Act::Crash { node }),
        2 => hang,
        2 => cut,
        2 => node.prop_map(|node| Act::Kill { node }),
        2 => restart,
        1 => Just(Act::Flush),
    ];
    prop::collection::vec(act, 1..60)
}

fn weather() -> impl Strategy<Value = Weather> {
    let part = || prop_oneof![3 => Just(0), 1 => 1..20_u64];
    (part(), part(), part(), any::<bool>()).prop_map(|(lost, doubled, overtaken, is_split)| {
        Weather { lost, doubled, overtaken, is_split }
    })
}

fn group(n: usize) -> GroupName {
    GroupName::new(format!("room:{n}")).expect("a name")
}

fn user(n: usize) -> UserId {
    UserId::new(format!("user-{n}")).expect("an id")
}

fn payload(n: usize) -> Payload {
    let json = |text: String| serde_json::value::RawValue::from_string(text).expect("JSON");
    match n {
        0 => Payload::IdOnly,
        n => Payload::Json(json(format!("{{\"name\":\"{n}\"}}")).into()),
    }
}

fn play(acts: &[Act], weather: Weather, seed: u64) -> World {
    let groups: Vec<_> = (0..GROUPS).map(group).collect();
    let mut world = World::new(NODES, &groups, weather, seed);
    for act in acts {
        match *act {
            Act::Come { node, group: g, user: u, payload: p } => {
                world.want(node, &group(g), &user(u), Some(payload(p)));
            }
            Act::Go { node, group: g, user: u } => world.want(node, &group(g), &user(u), None),
            Act::Move { from, to, group: g, user: u } => {
                world.move_to(from, to, &group(g), &user(u));
            }
            Act::Serve { node, group: g } => world.serve(node, &group(g)),
            Act::Unserve { node, group: g } => world.unserve(node, &group(g)),
            Act::Wait { ms } => world.run(Duration::from_millis(ms)),
            Act::Crash { node } => world.crash(node),
            Act::Hang { node, ms } => world.hang(node, Duration::from_millis(ms)),
            Act::Cut { node, ms } => world.cut(node, Duration::from_millis(ms)),
            Act::Kill { node } => world.kill(node),
            Act::Restart { ms, before_ms } => {
                world.restart(Duration::from_millis(ms), before_ms.map(Duration::from_millis));
            }
            Act::Flush => world.flush(),
        }
    }
    world.heal();
    world.run(Duration::from_secs(60));
    world.agrees();
    world.awaits_nothing();
    world.all_go();
    world
}

/// `SCHEDULES` says how many.
fn schedules() -> ProptestConfig {
    let cases = std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: cases.unwrap_or(400), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(schedules())]

    #[test]
    fn whatever_happens_every_node_shows_the_truth(
        acts in acts(),
        weather in weather(),
        seed in any::<u64>(),
    ) {
        play(&acts, weather, seed);
    }
}
