//! Payloads that are looked up: many users in one call, and again after a change. The clock
//! is the test's.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tests::{Chunks, Fold, Frame, Server, eventually};
use tokio::time::sleep;
use umbral_presence::{
    PresenceSpec, Realtime, RealtimePlugin, ResolveContext, Transition, UserId, presence,
};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(50);

/// A database of names, slow as the test wants it.
#[derive(Clone, Default)]
struct Names(Arc<Database>);

#[derive(Default)]
struct Database {
    /// What is put before the id.
    title: Mutex<String>,
    /// How long a call takes that asks for this user.
    delays: Mutex<HashMap<String, Duration>>,
    /// Who is not found.
    missing: Mutex<Vec<String>>,
    panics: AtomicBool,
    calls: Mutex<Vec<Vec<String>>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Names {
    fn calls(&self) -> Vec<Vec<String>> {
        self.0.calls.lock().clone()
    }
}

async fn look_up(users: Vec<UserId>, context: ResolveContext) -> HashMap<UserId, Value> {
    let Names(database) = context.get::<Names>().expect("given below").clone();
    let running = database.running.fetch_add(1, Ordering::SeqCst) + 1;
    database.most_running.fetch_max(running, Ordering::SeqCst);
    database.calls.lock().push(users.iter().map(ToString::to_string).collect());
    let delay = {
        let delays = database.delays.lock();
        users.iter().filter_map(|user| delays.get(user.as_str())).max().copied()
    };
    sleep(delay.unwrap_or_default()).await;
    database.running.fetch_sub(1, Ordering::SeqCst);
    assert!(!database.panics.load(Ordering::SeqCst), "the database is on fire");
    let (title, missing) = (database.title.lock().clone(), database.missing.lock().clone());
    let found = users.into_iter().filter(|user| !missing.iter().any(|id| id == user.as_str()));
    found.map(|user| (user.clone(), json!(format!("{title}{user}")))).collect()
}

fn start() -> (Names, Realtime) {
    let names = Names::default();
    let plugin = Server::plugin()
        .with_state(names.clone())
        .with_presence(PresenceSpec::prefixes(["room:"]).batch_resolver(look_up));
    (names, plugin.build().expect("a plugin that can be built"))
}

/// The payloads of the members, as texts.
async fn members(realtime: &Realtime, group: &str) -> Vec<String> {
    let members = realtime.presence().members(group).await.expect("a valid name");
    members.iter().map(|member| member.payload().get().trim_matches('"').to_owned()).collect()
}

/// Folds all that has arrived by now, strictly.
fn read(stream: &mut Chunks, fold: &mut Fold) -> Vec<Frame> {
    let frames = stream.arrived();
    frames.iter().for_each(|frame| fold.take(frame));
    frames
}

#[tokio::test(start_paused = true)]
async fn those_who_come_together_are_looked_up_together() {
    let (names, realtime) = start();
    let mut streams = Vec::new();
    let mut watcher = Chunks::open(&realtime, "0", "groups=room:1").await;
    for n in 1..100 {
        streams.push(Chunks::open(&realtime, &n.to_string(), "groups=room:1,room:2").await);
    }
    assert_eq!(members(&realtime, "room:1").await, [""; 0]);
    sleep(MOMENT).await;
    assert_eq!(members(&realtime, "room:1").await.len(), 100);
    assert_eq!(members(&realtime, "room:2").await.len(), 99);
    // The first comes alone or not, by chance.
    let calls = names.calls();
    assert!(calls.len() <= 2, "{calls:?}");
    assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), 100);
    sleep(MOMENT).await;
    let mut fold = Fold::of("room:1");
    read(&mut watcher, &mut fold);
    assert_eq!(fold.payloads().len(), 100);
    // Nobody is looked up who is known, or who leaves.
    streams.push(Chunks::open(&realtime, "5", "groups=room:1").await);
    realtime.disconnect_user(5).await.expect("no other node");
    sleep(SECOND).await;
    assert_eq!(names.calls().len(), calls.len());
}

/// How many members each snapshot that has arrived holds, and whether the own user is one.
fn snapshots(stream: &mut Chunks, user: &str) -> Vec<(usize, bool)> {
    let frames = read(stream, &mut Fold::of("room:1"));
    let snapshots = frames.iter().filter(|frame| frame.event == "presence:sync");
    let members = snapshots.map(|frame| frame.data.as_array().expect("a list").clone());
    members.map(|members| (members.len(), members.contains(&json!(user)))).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_snapshot_holds_the_own_user_whose_name_is_being_looked_up() {
    for query in ["groups=room:1", "groups=room:1&v=1"] {
        let (names, realtime) = start();
        names.0.delays.lock().insert("7".to_owned(), SECOND);
        // As after a restart: nobody is there yet, and everybody comes at once.
        let mut own = Chunks::open(&realtime, "7", query).await;
        let mut second_tab = Chunks::open(&realtime, "7", query).await;
        let mut visitor = Chunks::anonymous(&realtime, "groups=room:1").await;
        sleep(SECOND / 2).await;
        assert_eq!(snapshots(&mut own, "7"), []);
        assert_eq!(snapshots(&mut visitor, "7"), [(0, false)], "a visitor waits for nobody");
        sleep(SECOND).await;
        assert_eq!(snapshots(&mut own, "7"), [(1, true)], "{query}");
        assert_eq!(snapshots(&mut second_tab, "7"), [(1, true)], "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_found_in_time_gets_a_snapshot_of_the_others() {
    let (names, realtime) = start();
    names.0.missing.lock().push("7".to_owned());
    let _other = Chunks::open(&realtime, "8", "groups=room:1").await;
    sleep(MOMENT).await;
    let mut own = Chunks::open(&realtime, "7", "groups=room:1").await;
    sleep(SECOND).await;
    assert_eq!(snapshots(&mut own, "7"), []);
    // `Limits::resolver_timeout` is over.
    sleep(SECOND + MOMENT).await;
    assert_eq!(snapshots(&mut own, "7"), [(1, false)]);
}

#[tokio::test(start_paused = true)]
async fn one_call_runs_at_a_time_until_it_is_late() {
    let (names, realtime) = start();
    *names.0.delays.lock() =
        HashMap::from([("slow".to_owned(), 5 * SECOND), ("quick".to_owned(), SECOND)]);
    let mut streams = vec![Chunks::open(&realtime, "quick", "groups=room:1").await];
    sleep(MOMENT).await;
    for n in 0..10 {
        streams.push(Chunks::open(&realtime, &n.to_string(), "groups=room:1").await);
        sleep(MOMENT).await;
    }
    assert_eq!(names.calls(), [["quick"]]);
    sleep(SECOND).await;
    assert_eq!(names.calls().len(), 2);
    assert_eq!(members(&realtime, "room:1").await.len(), 11);
    assert_eq!(names.0.most_running.load(Ordering::SeqCst), 1);
    // One that takes more than two seconds does not hold up the next.
    streams.push(Chunks::open(&realtime, "slow", "groups=room:1").await);
    sleep(MOMENT).await;
    streams.push(Chunks::open(&realtime, "next", "groups=room:1").await);
    sleep(2 * SECOND).await;
    assert_eq!(members(&realtime, "room:1").await.len(), 12);
    assert!(!realtime.presence().contains("room:1", "slow").await.unwrap());
    sleep(3 * SECOND).await;
    assert!(realtime.presence().contains("room:1", "slow").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_found_is_hidden_and_looked_up_again_while_there() {
    let (names, realtime) = start();
    names.0.panics.store(true, Ordering::SeqCst);
    let mut watcher = Chunks::open(&realtime, "watcher", "groups=room:1").await;
    sleep(MOMENT).await;
    names.0.panics.store(false, Ordering::SeqCst);
    *names.0.missing.lock() = vec!["ghost".to_owned(), "late".to_owned()];
    let ghost = Chunks::open(&realtime, "ghost", "groups=room:1").await;
    let _late = Chunks::open(&realtime, "late", "groups=room:1").await;
    let _ada = Chunks::open(&realtime, "ada", "groups=room:1").await;
    sleep(MOMENT).await;
    assert_eq!(members(&realtime, "room:1").await, ["ada"]);
    sleep(SECOND).await;
    assert_eq!(members(&realtime, "room:1").await, ["ada", "watcher"]);
    names.0.missing.lock().clear();
    drop(ghost);
    realtime.disconnect_user("ghost").await.expect("no other node");
    sleep(2 * SECOND).await;
    assert_eq!(members(&realtime, "room:1").await, ["ada", "watcher", "late"]);
    let asked = names.calls().into_iter().flatten().filter(|id| id == "ghost").count();
    assert_eq!(asked, 2, "{:?}", names.calls());
    sleep(MOMENT).await;
    let mut fold = Fold::of("room:1");
    read(&mut watcher, &mut fold);
    assert_eq!(fold.payloads(), ["ada", "late", "watcher"]);
    sleep(120 * SECOND).await;
    assert_eq!(names.calls().len(), 5, "{:?}", names.calls());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_found_for_a_while_is_shown_when_found_however_often_they_came() {
    let (names, realtime) = start();
    *names.0.missing.lock() = vec!["late".to_owned()];
    let mut tabs = vec![Chunks::open(&realtime, "late", "groups=room:1").await];
    // They come while the question that failed is put off.
    for n in 2..6 {
        sleep(SECOND / 2).await;
        tabs.push(Chunks::open(&realtime, "late", &format!("groups=room:{n}")).await);
    }
    sleep(5 * SECOND).await;
    names.0.missing.lock().clear();
    sleep(10 * SECOND).await;
    for n in 1..6 {
        assert_eq!(members(&realtime, &format!("room:{n}")).await, ["late"], "room:{n}");
    }
    assert!(names.calls().len() < 10, "{:?}", names.calls());
}

#[tokio::test(start_paused = true)]
async fn a_member_is_resolved_again_when_told_to() {
    let (names, realtime) = start();
    let presence = realtime.presence();
    let groups = "groups=room:1,room:2";
    let mut streams = Vec::new();
    for query in [groups.to_owned(), format!("{groups}&v=1")] {
        streams.push((Chunks::open(&realtime, "7", &query).await, Fold::of("room:1")));
    }
    let mut transitions = presence.watch("room:1").unwrap();
    sleep(SECOND).await;
    for (stream, fold) in &mut streams {
        read(stream, fold);
    }
    presence.refresh(7).await.expect("no other node");
    *names.0.title.lock() = "Dr. ".to_owned();
    presence.refresh(7).await.expect("no other node");
    presence.refresh(8).await.expect("no other node");
    sleep(SECOND).await;
    for (stream, fold) in &mut streams {
        let frames = read(stream, fold);
        assert_eq!(fold.payloads(), ["Dr. 7"]);
        let updates = frames.iter().filter(|frame| {
            let update = frame.event == "presence:update"
                || frame.event == "presence:diff" && frame.data[0][0] == "~";
            update && frame.channel == "room:1"
        });
        assert_eq!(updates.count(), 1, "{frames:?}");
    }
    assert_eq!(members(&realtime, "room:2").await, ["Dr. 7"]);
    let mut seen = Vec::new();
    while let Some(Some(transition)) = transitions.next().now_or_never() {
        seen.push(match transition {
            Transition::Sync(_) => "sync",
            Transition::Join(_) => "join",
            Transition::Leave(_) => "leave",
            Transition::Update(_) => "update",
            _ => "another",
        });
    }
    assert_eq!(seen, ["sync", "join", "update"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_take_the_place_of_a_later_one() {
    let (names, realtime) = start();
    let _stream = Chunks::open(&realtime, "7", "groups=room:1").await;
    sleep(SECOND).await;
    *names.0.title.lock() = "old ".to_owned();
    names.0.delays.lock().insert("7".to_owned(), SECOND);
    let presence = realtime.presence();
    let slow = tokio::spawn(async move { presence.refresh(7).await.expect("no other node") });
    sleep(MOMENT).await;
    names.0.delays.lock().clear();
    *names.0.title.lock() = "new ".to_owned();
    realtime.presence().refresh(7).await.expect("no other node");
    *names.0.title.lock() = "old ".to_owned();
    slow.await.unwrap();
    assert_eq!(members(&realtime, "room:1").await, ["new 7"]);
}

#[tokio::test(start_paused = true)]
async fn a_plain_resolver_is_asked_again_too() {
    let vip = Arc::new(AtomicBool::new(false));
    let is_vip = vip.clone();
    let spec = PresenceSpec::prefixes(["room:"])
        .resolver(move |id| json!({ "id": id, "vip": is_vip.load(Ordering::SeqCst) }));
    let realtime = Server::plugin().with_presence(spec).build().unwrap();
    let (mut stream, mut fold) =
        (Chunks::open(&realtime, "7", "groups=room:1").await, Fold::of("room:1"));
    sleep(MOMENT).await;
    vip.store(true, Ordering::SeqCst);
    realtime.presence().refresh(7).await.expect("no other node");
    sleep(MOMENT).await;
    read(&mut stream, &mut fold);
    assert_eq!(fold.payloads(), [json!({ "id": "7", "vip": true })]);
}

/// The people of one team.
#[presence(prefix = "team:", batch_resolver = look_up)]
struct Team(u64);

#[tokio::test(start_paused = true)]
async fn a_declaration_may_name_a_batch_resolver() {
    let realtime = RealtimePlugin::new()
        .with_state(Names::default())
        .identity_resolver(|_| async { Some("7".to_owned()) })
        .group_policy_fn(|_, _| true)
        .build()
        .unwrap();
    let _stream = Chunks::open(&realtime, "7", "groups=team:1").await;
    sleep(MOMENT).await;
    let members = realtime.presence().members(Team(1)).await.unwrap();
    assert_eq!(members[0].payload().get(), "\"7\"");
}

#[test]
fn a_state_is_given_once_per_type() {
    let built = RealtimePlugin::new().with_state(1_u8).with_state(2_u8).build();
    let message = built.map(|_: Realtime| ()).unwrap_err().to_string();
    assert!(message.contains("`with_state`") && message.contains("u8"), "{message}");
}

#[test]
fn a_batch_resolver_is_called_in_the_runtime_that_there_is() {
    let (_, realtime) = start();
    for round in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let group = format!("room:{round}");
            let _stream = Chunks::open(&realtime, "7", &format!("groups={group}")).await;
            eventually("the member is shown", || async {
                realtime.presence().count(&group).await == Ok(1)
            })
            .await;
        });
    }
}
