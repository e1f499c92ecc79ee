//! Chaos over real sockets: thousands of connections, on both transports and in every
//! dialect, that join, leave, reload, reset, half-close, stop reading, resume, send garbage
//! and exceed limits. Meanwhile no reader that behaves may see a contradiction, and at the
//! end everybody must have the truth.
//!
//! `CHAOS_SECONDS` says for how long, and `CHAOS_SEED` which chaos.

mod churner;
mod reader;
mod reloader;
mod slow;
mod talker;
mod vandal;
mod watcher;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tests::is_settled;
use tokio::task::JoinSet;

use self::{
    reader::Reader,
    world::{ROOMS, World},
};

/// What somebody leaves behind: the connections that stay open.
type Remains = Vec<Reader>;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_everybody_ends_up_with_the_truth() {
    let seconds = Duration::from_secs(setting("CHAOS_SECONDS", 20));
    let seed = setting("CHAOS_SEED", 0x5eed);
    let world = Arc::new(World::start(seconds));
    let mut actors: JoinSet<Remains> = JoinSet::new();
    let talk = tokio::spawn(talker::talk(world.clone()));
    for n in 0..12 {
        actors.spawn(watcher::watch(world.clone(), n, world::random(seed, 1, n)));
    }
    for n in 0..100 {
        actors.spawn(churner::come_and_go(world.clone(), n, world::random(seed, 2, n)));
    }
    for n in 0..16 {
        actors.spawn(reloader::reload(world.clone(), n, world::random(seed, 3, n)));
    }
    for n in 0..16 {
        actors.spawn(slow::stop_and_go(world.clone(), n, world::random(seed, 4, n)));
    }
    for n in 0..6 {
        actors.spawn(vandal::rage(world.clone(), n, world::random(seed, 5, n)));
    }
    let mut readers = Vec::new();
    while let Some(remains) = actors.join_next().await {
        readers.extend(remains.unwrap_or_else(|_| panic!("CHAOS_SEED={seed} shows it again")));
    }
    talk.await.expect("groups may be talked to");
    let endings = std::mem::take(&mut *world.endings.lock());
    endings.join_all().await;

    let truth = truth(&readers);
    for (room, users) in &truth {
        is_settled(&world.server.realtime, room, users).await;
    }
    let readers = world.catch_up(readers).await;
    for reader in &readers {
        reader.agrees_with(&truth);
    }
    no_flap(&world, &readers);
    assert!(truth.values().map(BTreeSet::len).sum::<usize>() > 60, "enough to tell: {truth:?}");
    report(&world, seed, readers.len());
    drop(readers);
    world.server.is_empty().await;
}

/// Who is in which room, by the connections that are open.
fn truth(readers: &[Reader]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let users = |room: &str| {
        let there = readers.iter().filter(|reader| reader.is_in(room));
        there.filter_map(|reader| reader.user.clone()).collect()
    };
    ROOMS.iter().map(|room| (*room, users(room))).collect()
}

/// Who reloads within the grace has never been seen to leave.
fn no_flap(world: &World, readers: &[Reader]) {
    let late = world.late_reloads.lock();
    for reader in readers {
        for (user, leaves) in reader.leaves().filter(|(user, _)| reloader::is_one(user)) {
            let late = late.get(user).copied().unwrap_or_default();
            assert!(leaves <= late, "{user} left {leaves} times and came late {late} times");
        }
    }
}

/// For whoever runs it.
#[allow(clippy::print_stdout)]
fn report(world: &World, seed: u64, readers: usize) {
    let (counts, counted) = (world.server.realtime.counts(), &world.counted);
    println!(
        "chaos: seed {seed}, {} s, {} connections opened ({} refused), {} reloads ({} late), \
         {} acts of vandalism; {} frames folded",
        world.seconds.as_secs(),
        counted.opened.get(),
        counted.refused.get(),
        counted.reloads.get(),
        world.late_reloads.lock().values().sum::<usize>(),
        counted.vandalism.get(),
        counted.frames.get(),
    );
    println!(
        "chaos: {} transitions, {} flaps cancelled, {} resyncs, {} messages dropped, {} lost; \
         0 divergences among {readers} readers at the end",
        counts.transitions, counts.cancelled, counts.resyncs, counts.missed, counts.lost,
    );
}
