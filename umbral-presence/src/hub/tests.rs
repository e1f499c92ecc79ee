//! What is told when, and that it is encoded once.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use tokio::time::sleep;

use super::{
    Hub, Outgoing, Session,
    testing::{self, group, room, user},
};
use crate::{
    group::Transition,
    handle::Watch,
    hash::counted::hashed,
    limits::Limits,
    name::GroupName,
    spec::PresenceSpec,
    sync::taken,
    wire::{Frames, Transport},
};

mod batches;
mod crowds;
mod delivering;

/// Many ticks, however slow the machine is.
const LONG: Duration = Duration::from_secs(10);

fn hub() -> Arc<Hub> {
    hub_of(PresenceSpec::prefixes(["room:"]))
}

fn hub_of(spec: PresenceSpec) -> Arc<Hub> {
    testing::hub([spec], Limits::default())
}

/// A session in the room.
fn enter(hub: &Arc<Hub>, id: &str) -> Session {
    let session = enter_as(hub, id);
    come_in(hub, &session);
    session
}

/// A session outside.
fn enter_as(hub: &Arc<Hub>, id: &str) -> Session {
    testing::open(hub, id, Transport::Sse, &testing::allowed(hub, [])).expect("room for it")
}

/// A session comes into the room.
fn come_in(hub: &Hub, session: &Session) {
    join(hub, session, room());
}

fn join(hub: &Hub, session: &Session, group: GroupName) {
    session.subscribe(&testing::allowed(hub, [group])).expect("nobody is sent away here");
}

/// What waits for a session.
fn read(session: &Session) -> Vec<Frames> {
    let frames = |outgoing| match outgoing {
        Outgoing::Frames(frames) => frames,
        Outgoing::Piece(piece) => panic!("a small room in pieces: {piece:?}"),
    };
    std::iter::from_fn(|| session.next().now_or_never()?.ok()).map(frames).collect()
}

/// Where the bytes are, which is one place for those who share them.
fn places(frames: &[Frames]) -> Vec<*const u8> {
    frames.iter().flat_map(Frames::iter).map(|bytes| bytes.as_ptr()).collect()
}

fn texts(frames: &[Frames]) -> Vec<String> {
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    frames.iter().flat_map(Frames::iter).map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_change_is_told_at_once_and_those_that_follow_share_one_frame() {
    let hub = hub();
    let watcher = enter(&hub, "watcher");
    assert_eq!(read(&watcher).len(), 1, "the snapshot, without waiting");
    sleep(LONG).await;
    let _first = enter(&hub, "first");
    assert_eq!(read(&watcher).len(), 1, "in a quiet room at once");
    let _more: Vec<_> = (0..100).map(|n| enter(&hub, &n.to_string())).collect();
    assert!(read(&watcher).is_empty(), "the tick is not over");
    sleep(LONG).await;
    let told = texts(&read(&watcher));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].matches("[\"+\"").count(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_within_a_tick_is_not_told_of() {
    let hub = hub();
    let watcher = enter(&hub, "watcher");
    read(&watcher);
    let mut short = enter(&hub, "short");
    short.say_goodbye();
    drop(short);
    sleep(LONG).await;
    assert!(read(&watcher).is_empty());
    assert_eq!(hub.counts().cancelled, 1);
}

/// How often a lock is taken and something is hashed in `run`.
fn locks_and_hashes(run: impl FnOnce()) -> (u32, u32) {
    let mut hashes = 0;
    let locks = taken(|| hashes = hashed(run));
    (locks, hashes)
}

#[tokio::test(start_paused = true)]
async fn a_join_looks_its_group_up_once_and_locks_it_once() {
    let hub = hub();
    let [tab, other_tab] = [enter_as(&hub, "7"), enter_as(&hub, "7")];
    let _members: Vec<_> = (0..1000).map(|n| enter(&hub, &format!("member-{n}"))).collect();
    let verdict = testing::allowed(&hub, [room()]);
    for session in [&tab, &other_tab] {
        let cost = locks_and_hashes(|| session.subscribe(&verdict).expect("nobody is sent away"));
        // The connection's subscriptions, the user, the group and the outbox; the name, and the
        // user and the name once more to see that nobody has revoked them.
        assert_eq!(cost, (4, 3));
    }
    // The user is looked up at the opening: for the map of users, and to see whether the user
    // was revoked, in it and in that of connections. A map that grows hashes all that it has.
    let costs = (0..5).map(|_| locks_and_hashes(|| drop(enter_as(&hub, "8"))));
    let (locks, hashes) = costs.min_by_key(|(_, hashes)| *hashes).expect("five of them");
    assert!(locks <= 12 && hashes <= 8, "{locks} locks, {hashes} hashes");
}

#[tokio::test(start_paused = true)]
async fn telling_takes_one_lock_for_each_who_is_told() {
    let hub = hub();
    let members: Vec<_> = (0..1000).map(|n| enter(&hub, &format!("member-{n}"))).collect();
    sleep(LONG).await;
    members.iter().for_each(|member| drop(read(member)));
    let newcomer = enter_as(&hub, "newcomer");
    let (locks, _) = locks_and_hashes(|| come_in(&hub, &newcomer));
    // Besides those of the join, the newcomer's snapshot and the end of the delivery.
    assert!((1000..=1010).contains(&locks), "{locks}");
}

#[tokio::test(start_paused = true)]
async fn changes_and_snapshots_are_encoded_once_for_all() {
    let hub = hub();
    let watchers = [enter(&hub, "a"), enter(&hub, "b")];
    sleep(LONG).await;
    for watcher in &watchers {
        read(watcher);
    }
    let newcomers = [enter(&hub, "c"), enter(&hub, "d"), enter(&hub, "e")];
    sleep(LONG).await;
    let [one, other] = watchers.each_ref().map(read);
    assert!(!one.is_empty());
    assert_eq!(places(&one), places(&other), "the same changes");
    let [one, other, third] = newcomers.each_ref().map(read);
    assert_eq!(one.len(), 1);
    assert_eq!(places(&one), places(&other), "the same snapshot");
    assert_eq!(places(&one), places(&third));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_between_a_goodbye_and_a_return_is_what_is_shown() {
    let name = Arc::new(parking_lot::Mutex::new("old"));
    let is = name.clone();
    let spec = PresenceSpec::prefixes(["room:"]).resolver(move |_| (*is.lock()).into());
    let hub = hub_of(spec);
    let session = enter(&hub, "7");
    for round in 0..200 {
        // Whoever reads nothing is taken for lost.
        read(&session);
        *name.lock() = "old";
        hub.refresh(session.user().expect("a user")).await;
        sleep(LONG).await;
        // Within a tick that a neighbour has begun, or without one.
        let neighbour = (round % 2 == 0).then(|| enter(&hub, "neighbour"));
        hub.unsubscribe(session.connection(), &[room()]);
        *name.lock() = "new";
        hub.refresh(session.user().expect("a user")).await;
        come_in(&hub, &session);
        let members = hub.members(&room());
        let shown = members.iter().find(|member| member.id().as_str() == "7").expect("7 is here");
        assert_eq!(shown.payload().get(), "\"new\"", "round {round}");
        drop(neighbour);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_refresh_does_not_count_whoever_brings_it() {
    let name = Arc::new(parking_lot::Mutex::new("old"));
    let is = name.clone();
    let hub = Arc::new_cyclic(|hub: &std::sync::Weak<std::sync::OnceLock<Arc<Hub>>>| {
        let hub = hub.clone();
        // While the answer for a newcomer is made, the name changes and that is made known.
        let spec = PresenceSpec::prefixes(["room:"]).resolver(move |id| {
            let answer = (*is.lock()).into();
            if std::mem::replace(&mut *is.lock(), "new") == "old" {
                let hub = hub.upgrade().and_then(|hub| hub.get().cloned()).expect("the hub");
                let user = user(id);
                hub.refresh(&user).now_or_never().expect("nothing to wait for");
            }
            answer
        });
        std::sync::OnceLock::from(hub_of(spec))
    });
    let hub = hub.get().expect("the hub");
    let _session = enter(hub, "7");
    assert_eq!(hub.members(&room())[0].payload().get(), "\"new\"");
}

#[tokio::test(start_paused = true)]
async fn who_flaps_costs_a_watcher_a_few_frames_and_the_truth_is_told_in_the_end() {
    let hub = hub();
    let watcher = enter(&hub, "watcher");
    let flapper = enter(&hub, "flapper");
    sleep(LONG).await;
    read(&watcher);
    let mut frames = 0;
    // 36 times a second for half a minute.
    for _ in 0..1080 {
        hub.unsubscribe(flapper.connection(), &[room()]);
        sleep(Duration::from_millis(14)).await;
        come_in(&hub, &flapper);
        sleep(Duration::from_millis(14)).await;
        frames += read(&watcher).len();
    }
    assert!((20..=30).contains(&frames), "{frames} frames");
    hub.unsubscribe(flapper.connection(), &[room()]);
    sleep(LONG).await;
    let snapshot = hub.snapshot(&room());
    let told: Vec<_> = snapshot.members().iter().map(|m| m.id().as_str()).collect();
    assert_eq!(told, ["watcher"], "the truth");
}

/// Whoever wakes it has it do this at once.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> std::task::Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[tokio::test]
async fn a_reader_that_is_dropped_where_it_is_woken_holds_nobody_up() {
    // Every change is told at once.
    let limits = Limits { tick: Duration::ZERO, ..Limits::default() };
    let hub = testing::hub([PresenceSpec::prefixes(["room:"])], limits);
    let session = enter(&hub, "7");
    read(&session);
    let held = Arc::new(parking_lot::Mutex::new(Some((session, Watch::new(hub.clone(), &room())))));
    let wake = Arc::new(OnWake({
        let held = held.clone();
        move || drop(held.lock().take())
    }));
    let waker = Waker::from(wake);
    let mut context = std::task::Context::from_waker(&waker);
    {
        let mut held = held.lock();
        let (session, watch) = held.as_mut().expect("nobody has woken them");
        assert!(session.poll_next(&mut context).is_pending());
        let poll_watch = |watch: &mut Watch, context: &mut _| watch.poll_next_unpin(context);
        assert!(poll_watch(watch, &mut context).is_ready(), "the members");
        assert!(poll_watch(watch, &mut context).is_pending());
    }
    let (done, is_done) = std::sync::mpsc::channel();
    let joining = hub.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async { drop(enter(&joining, "8")) });
        let _ = done.send(());
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("the join comes back");
    assert!(held.lock().is_none(), "both were dropped by the join");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_whose_ticks_end_together_are_told_on_different_workers() {
    // So long that no tick ends before the last change.
    let limits = Limits { tick: Duration::from_secs(1), ..Limits::default() };
    let hub = testing::hub([PresenceSpec::prefixes(["room:"])], limits);
    let rooms: Vec<_> = (0..200).map(|n| group(&format!("room:{n}"))).collect();
    let watcher = enter_as(&hub, "watcher");
    let come_in = |session: &Session| {
        session.subscribe(&testing::allowed(&hub, rooms.clone())).expect("nobody is sent away");
    };
    come_in(&watcher);
    let mut watches: Vec<_> = rooms.iter().map(|room| Watch::new(hub.clone(), room)).collect();
    // Telling takes long unless a second worker helps: so long that other ticks end meanwhile.
    const LONG_FOR_ONE: Duration = Duration::from_millis(20);
    let workers = Arc::new((parking_lot::Mutex::new(HashSet::new()), parking_lot::Condvar::new()));
    let waker = Waker::from(Arc::new(OnWake({
        let workers = workers.clone();
        move || {
            let (seen, more) = &*workers;
            let mut seen = seen.lock();
            seen.insert(std::thread::current().id());
            more.notify_all();
            more.wait_while_for(&mut seen, |seen| seen.len() < 2, LONG_FOR_ONE);
        }
    })));
    let mut context = std::task::Context::from_waker(&waker);
    for watch in &mut watches {
        while watch.poll_next_unpin(&mut context).is_ready() {}
    }
    let other = enter_as(&hub, "other");
    come_in(&other);
    let (seen, more) = &*workers;
    let mut seen = seen.lock();
    let timed_out = more.wait_while_for(&mut seen, |seen| seen.len() < 2, LONG).timed_out();
    assert!(!timed_out, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn watchers_share_one_list() {
    let hub = hub();
    let _members: Vec<_> = (0..100).map(|n| enter(&hub, &n.to_string())).collect();
    sleep(LONG).await;
    let mut watches: Vec<_> = (0..100).map(|_| Watch::new(hub.clone(), &room())).collect();
    let lists: Vec<_> = watches
        .iter_mut()
        .map(|watch| match watch.next().now_or_never() {
            Some(Some(Transition::Sync(members))) => members,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lists[0].len(), 100);
    assert!(lists.iter().all(|list| Arc::ptr_eq(list, &lists[0])));
}

#[tokio::test(start_paused = true)]
async fn of_many_graces_the_oldest_end_at_once() {
    let limits = Limits { graces_per_user: 3, ..Limits::default() };
    let hub = testing::hub([PresenceSpec::prefixes(["room:"])], limits);
    let user = user("7");
    let present = |hub: &Hub| {
        let groups = hub.groups_of(&user).into_iter();
        groups.map(|name| name.to_string()).collect::<Vec<_>>()
    };
    let lost = |n: u32| {
        let session = enter_as(&hub, "7");
        join(&hub, &session, group(&format!("room:{n}")));
        session
    };
    for n in 0..5 {
        drop(lost(n));
    }
    assert_eq!(present(&hub), ["room:2", "room:3", "room:4"]);
    // One who has come back has no grace there, and an old one counts for nothing.
    let back = lost(2);
    drop(lost(5));
    drop(lost(6));
    assert_eq!(present(&hub), ["room:2", "room:4", "room:5", "room:6"]);
    drop(back);
    assert_eq!(present(&hub), ["room:2", "room:5", "room:6"]);
    sleep(LONG).await;
    assert_eq!((hub.group_count(), hub.user_count()), (0, 0));
}

/// A hub with short and long graces, of which a user may have three.
fn hub_of_three_graces() -> Arc<Hub> {
    let long = PresenceSpec::prefixes(["long:"]).grace(Duration::from_secs(600));
    let limits = Limits { graces_per_user: 3, ..Limits::default() };
    testing::hub([PresenceSpec::prefixes(["room:"]), long], limits)
}

/// A session of the user in a group.
fn enter_at(hub: &Arc<Hub>, name: &str) -> Session {
    let session = enter_as(hub, "7");
    join(hub, &session, group(name));
    session
}

#[tokio::test(start_paused = true)]
async fn graces_that_have_ended_take_no_other_s_place() {
    let hub = hub_of_three_graces();
    let user = user("7");
    drop(enter_at(&hub, "long:1"));
    for n in 0..3 {
        drop(enter_at(&hub, &format!("room:{n}")));
    }
    assert!(!hub.contains(&group("long:1"), &user), "the fourth takes the place of the first");
    drop(enter_at(&hub, "long:1"));
    sleep(LONG).await;
    // Short ones begin and are over behind it, or end because the user is back or goes.
    for n in 0..3 {
        drop(enter_at(&hub, &format!("room:{n}")));
        sleep(LONG).await;
    }
    for _ in 0..5 {
        let _other = (enter_at(&hub, "room:1"), enter_at(&hub, "room:1"));
        drop(enter_at(&hub, "room:1"));
    }
    for _ in 0..5 {
        let back = enter_at(&hub, "room:1");
        hub.unsubscribe(back.connection(), &[group("room:1")]);
    }
    assert!(hub.contains(&group("long:1"), &user));
    sleep(Duration::from_mins(11)).await;
    assert_eq!((hub.group_count(), hub.user_count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_grace_that_outlasts_a_goodbye_counts_as_well() {
    let hub = hub_of_three_graces();
    let user = user("7");
    let stays = enter_as(&hub, "7");
    for n in 0..10 {
        let name = group(&format!("long:{n}"));
        let breaks_off = enter_at(&hub, name.as_str());
        join(&hub, &stays, name.clone());
        drop(breaks_off);
        hub.unsubscribe(stays.connection(), &[name]);
    }
    assert_eq!(hub.groups_of(&user).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn rates_are_forgotten_though_nobody_has_ever_come_in() {
    let hub = hub();
    for n in 0..100_u8 {
        let address = Some([203, 0, 113, n].into());
        assert!(hub.admits_look_up(None, address));
        let mut permit = hub.permit(address).expect("room for it");
        permit.is_for(Some(&user(&n.to_string()))).expect("room for it");
    }
    sleep(LONG).await;
    assert!(hub.rates.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_copies_nothing_of_a_snapshot_that_nobody_reads_any_more() {
    let hub = hub();
    let first = enter(&hub, "first");
    read(&first);
    let page = || {
        let cell = hub.groups.get(&room()).expect("it is there");
        cell.lock_always().roster.view.told().page(0).map(Arc::as_ptr).expect("somebody is there")
    };
    sleep(LONG).await;
    let before = page();
    let _second = enter(&hub, "second");
    assert_eq!(hub.snapshot(&room()).members().len(), 2);
    assert_eq!(page(), before);
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_costs_nobody_else_anything() {
    let hub = hub();
    let mut watches = [(); 3].map(|()| Watch::new(hub.clone(), &room()));
    let woken = Arc::new(AtomicUsize::new(0));
    for (n, watch) in watches.iter_mut().enumerate() {
        let woken = woken.clone();
        let waker = Waker::from(Arc::new(OnWake(move || {
            assert_ne!(n, 0, "the application's executor has gone");
            woken.fetch_add(1, Ordering::SeqCst);
        })));
        let mut context = std::task::Context::from_waker(&waker);
        while watch.poll_next_unpin(&mut context).is_ready() {}
    }
    let session = enter(&hub, "7");
    assert_eq!(woken.load(Ordering::SeqCst), 2);
    drop((session, watches));
    sleep(LONG).await;
    assert_eq!((hub.open_connections(), hub.user_count(), hub.group_count()), (0, 0, 0));
}
