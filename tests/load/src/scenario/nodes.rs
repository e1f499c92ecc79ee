//! Several nodes with a store between them, without transports, all in this process: what goes
//! through one store, beside what its scripts alone take; how soon another node knows; and what a
//! store holds and does for members who do nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use tests::Store;
use tokio::{
    runtime::Builder,
    time::{interval, sleep},
};
use umbral_presence::{
    __bench::{Alone, Room, Visitor},
    Transition,
};

use crate::{
    Failure,
    redis::{Info, memory, stored},
    settings::Settings,
    sheet::Sheet,
    subject::Subject,
};

const MEMBERS: u32 = 100_000;
const JOINS: u32 = 500;

/// Members of a small room.
const SMALL: u32 = 20;

/// What a node says in one batch.
const BATCH: usize = 256;

/// Changes in a second while it is measured how soon another node knows.
const CHANGES: u32 = 10_000;

/// How often those changes are made.
const PACE: Duration = Duration::from_millis(5);

/// Waits until `room` has so many members.
async fn has(room: &Room, members: u32) -> Result<(), Failure> {
    let (start, members) = (Instant::now(), usize::try_from(members)?);
    while room.members().await != members {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("{} and not {members}", room.members().await).into());
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// So many users in rooms of `size`, who stay while what is given is kept.
fn fill(node: &Room, users: u32, size: u32) -> Vec<Visitor> {
    let enter = |user: u32| {
        let visitor = node.visitor(&format!("{user:036}"));
        node.beside(2 + user / size).join(&visitor);
        visitor
    };
    (0..users).map(enter).collect()
}

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let members = settings.connections.unwrap_or(MEMBERS);
    for _ in 0..settings.rounds {
        through(members, sheet).await?;
        soon(settings.changes.unwrap_or(JOINS), sheet).await?;
    }
    held(members, sheet).await?;
    at_rest(members / 10, sheet).await
}

/// How many changes go through one store.
async fn through(members: u32, sheet: &mut Sheet) -> Result<(), Failure> {
    let name = format!("{members} changes through one store");
    for (batch, count, what) in
        [(BATCH, members, "its CPU a change"), (1, members.div_ceil(10), "its CPU a change alone")]
    {
        let store = Store::start().await;
        let alone = Alone::connect(&store.url()).await;
        let (begin, before) = (Instant::now(), Info::of(&store).await.cpu()?);
        alone.say(usize::try_from(count)?, usize::try_from(SMALL)?, batch).await;
        if batch == BATCH {
            sheet.rate(&name, Subject::Scripts, count, begin.elapsed());
        }
        let each = (Info::of(&store).await.cpu()? - before) / count;
        sheet.time(&format!("{name}: {what}"), Subject::Scripts, each);
    }

    let store = Store::start().await;
    let node = Room::on(&store.url());
    has(&node, 0).await?;
    let (begin, before) = (Instant::now(), Info::of(&store).await.cpu()?);
    let users = fill(&node, members, SMALL);
    stored(&store, members).await?;
    sheet.rate(&name, Subject::Ours, members, begin.elapsed());
    sheet.time(
        &format!("{name}: its CPU a change"),
        Subject::Ours,
        (Info::of(&store).await.cpu()? - before) / members,
    );
    drop(users);
    Ok(())
}

/// How soon another node knows of a join, while much else changes.
async fn soon(joins: u32, sheet: &mut Sheet) -> Result<(), Failure> {
    let store = Store::start().await;
    let (one, other) = (Room::on(&store.url()), Room::on(&store.url()));
    has(&one, 0).await?;
    let mut watch = other.watch();
    watch.next().await;
    let stop = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn(change(one.beside(2), other.beside(2), stop.clone()));
    sleep(Duration::from_millis(500)).await;
    let mut times = Vec::new();
    for user in 0..joins {
        let visitor = one.visitor(&format!("probe-{user}"));
        let begin = Instant::now();
        one.join(&visitor);
        while !matches!(watch.next().await, Some(Transition::Join(_))) {}
        times.push(begin.elapsed());
        drop(visitor);
        while !matches!(watch.next().await, Some(Transition::Leave(_))) {}
        // Beyond the tick, which gathers what follows closely.
        sleep(Duration::from_millis(30)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (made, took) = changes.await?;
    sheet.rate("changes meanwhile", Subject::Ours, made, took);
    sheet.times("a join on one node, told on another", Subject::Ours, times);
    Ok(())
}

/// Makes changes at a pace in rooms that both nodes have. Gives how many, and in which time.
async fn change(node: Room, other: Room, stop: Arc<AtomicBool>) -> (u32, Duration) {
    const ROOMS: u32 = 50;
    let rooms: Vec<_> = (0..ROOMS).map(|room| node.beside(2 + room)).collect();
    let _watches: Vec<_> = (0..ROOMS).map(|room| other.beside(2 + room).watch()).collect();
    let a_beat =
        CHANGES / u32::try_from(Duration::from_secs(1).as_millis() / PACE.as_millis()).unwrap_or(1);
    let users: Vec<_> = (0..a_beat * 200).map(|n| node.visitor(&format!("user-{n}"))).collect();
    let (mut pace, mut made, begin) = (interval(PACE), 0_u32, Instant::now());
    let mut inside = false;
    while !stop.load(Ordering::Relaxed) {
        for (n, users) in users.chunks(a_beat as usize).enumerate() {
            pace.tick().await;
            let room = &rooms[n % rooms.len()];
            for user in users {
                if inside {
                    room.leave(user);
                } else {
                    room.join(user);
                }
                made += 1;
            }
        }
        inside = !inside;
    }
    (made, begin.elapsed())
}

/// What a store holds of each member, and whether a heartbeat heeds it.
async fn held(members: u32, sheet: &mut Sheet) -> Result<(), Failure> {
    for size in [SMALL, 5000] {
        let store = Store::start().await;
        let node = Room::on(&store.url());
        has(&node, 0).await?;
        let alone = Alone::connect(&store.url()).await;
        let beats = |members| {
            let (alone, store) = (&alone, &store);
            async move {
                store.ask(&["CONFIG", "RESETSTAT"]).await;
                alone.beat(2000).await;
                let time = Info::of(store).await.script()?;
                Ok::<_, Failure>((format!("a heartbeat of a node, {members} members stored"), time))
            }
        };
        let (name, time) = beats(0).await?;
        sheet.time(&name, Subject::Ours, time);
        let users = fill(&node, members, size);
        stored(&store, members).await?;
        let memory = memory(&store).await? / u64::from(members);
        let name = format!("memory of the store for each of {members} members in rooms of {size}");
        sheet.bytes(&name, Subject::Ours, memory);
        let (name, time) = beats(members).await?;
        sheet.time(&name, Subject::Ours, time);
        drop(users);
    }
    Ok(())
}

/// What nodes ask of a store where nobody comes or goes; how soon a new node knows everybody; and
/// how soon it has told that all of a dead one are gone.
async fn at_rest(members: u32, sheet: &mut Sheet) -> Result<(), Failure> {
    const REST: Duration = Duration::from_secs(10);
    let store = Store::start().await;
    // The first node's part in the store runs in a runtime that can be ended.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let first = {
        let _inside = runtime.enter();
        Room::on(&store.url())
    };
    let nodes = [first, Room::on(&store.url()), Room::on(&store.url())];
    let mut users = Vec::new();
    for node in &nodes {
        has(node, 0).await?;
    }
    for user in 0..members {
        let visitor = nodes[0].visitor(&format!("{user:036}"));
        nodes[0].join(&visitor);
        users.push(visitor);
    }
    has(&nodes[1], members).await?;
    sleep(Duration::from_secs(1)).await;
    store.ask(&["CONFIG", "RESETSTAT"]).await;
    sleep(REST).await;
    let commands = Info::of(&store).await.calls("evalsha")?;
    sheet.rate("requests of three nodes at rest", Subject::Ours, commands, REST);

    let newcomer = Room::on(&store.url());
    let begin = Instant::now();
    has(&newcomer, members).await?;
    let name = format!("a new node knows {members} members");
    sheet.time(&name, Subject::Ours, begin.elapsed());

    let mut watch = newcomer.watch();
    watch.next().await;
    runtime.shutdown_background();
    let died = Instant::now();
    watch.next().await;
    let begin = Instant::now();
    has(&newcomer, 0).await?;
    let name = format!("{members} members of a dead node: until the first is gone");
    sheet.time(&name, Subject::Ours, begin - died);
    let name = format!("{members} members of a dead node: from then until the last is");
    sheet.time(&name, Subject::Ours, begin.elapsed());
    drop(users);
    Ok(())
}
