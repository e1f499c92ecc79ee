//! What nodes and the store say to each other about a shard, counted: up to a hundred nodes, where
//! nothing goes wrong.

use std::time::Duration;

use super::{
    group, payload, user,
    world::{Traffic, Weather, World},
};

const NODES: [usize; 4] = [1, 3, 10, 100];
const CHANGES: usize = 20;
const REST: Duration = Duration::from_secs(30);

/// Nodes that all serve one group, with so many members between them, who are known to all.
fn world(nodes: usize, members: usize) -> World {
    let mut world = World::new(nodes, &[group(0)], Weather::default(), 1);
    world.run(Duration::from_secs(5));
    for n in 0..members {
        world.want(n % nodes, &group(0), &user(n), Some(payload(0)));
    }
    world.run(Duration::from_secs(5));
    world.agrees();
    world.take_traffic();
    world
}

#[test]
fn a_change_is_one_request_and_one_message_to_each_node() {
    for nodes in NODES {
        let mut world = world(nodes, 5);
        for n in 0..CHANGES {
            world.want(n % nodes, &group(0), &user(100 + n), Some(payload(0)));
            world.run(Duration::from_millis(500));
        }
        let traffic = world.take_traffic();
        assert!(traffic.iter().all(|node| node.heard == CHANGES), "{nodes}: {traffic:?}");
        let batches: usize = traffic.iter().map(|node| node.batches).sum();
        assert_eq!(batches, CHANGES, "of {nodes} nodes");
        assert!(traffic.iter().all(|node| node.other_requests == 0), "{nodes}: {traffic:?}");
        world.agrees();
    }
}

#[test]
fn changes_that_come_together_are_few_messages() {
    let mut world = world(10, 5);
    for n in 0..100 {
        world.want(0, &group(0), &user(100 + n), Some(payload(0)));
    }
    world.run(Duration::from_secs(1));
    // The first one, and those that came while it was under way; or all, where they are looked at together.
    let traffic = world.take_traffic();
    let batches = traffic[0].batches;
    assert!((1..=2).contains(&batches), "{traffic:?}");
    assert!(traffic.iter().all(|node| node.heard == batches), "{traffic:?}");
    world.agrees();
}

#[test]
fn a_node_at_rest_sends_heartbeats_and_nothing_else_however_many_there_are() {
    for (nodes, members) in [(1, 0), (1, 200), (10, 0), (10, 200), (100, 0), (100, 20)] {
        let mut world = world(nodes, members);
        world.run(REST);
        for node in world.take_traffic() {
            // Every 2.5 s, a fifth sooner or later.
            assert!((10..=15).contains(&node.heartbeats), "{node:?}");
            assert_eq!(Traffic { heartbeats: 0, ..node }, Traffic::default());
        }
    }
}

#[test]
fn a_group_whose_key_is_anothers_costs_no_more_than_heartbeats() {
    let mut world = World::new(2, &[group(0), group(1)], Weather::default(), 1);
    world.set_foreign(&group(0));
    world.want(0, &group(0), &user(1), Some(payload(0)));
    world.run(Duration::from_secs(5));
    world.take_traffic();
    world.run(Duration::from_secs(10));
    let traffic = world.take_traffic();
    assert!(traffic.iter().all(|node| node.batches + node.other_requests < 20), "{traffic:?}");
}

#[test]
fn nothing_is_read_on_a_new_connection_where_nothing_has_changed() {
    let groups: Vec<_> = (0..100).map(group).collect();
    let mut world = World::new(2, &groups, Weather::default(), 1);
    for n in 0..100 {
        world.want(0, &group(n), &user(n), Some(payload(0)));
    }
    world.run(Duration::from_secs(20));
    world.take_traffic();
    world.kill(1);
    world.run(Duration::from_secs(20));
    let traffic = world.take_traffic();
    assert_eq!(traffic[1].other_requests, 1, "only the subscription: {traffic:?}");
}
