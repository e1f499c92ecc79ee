//! What tests of applications may rely on: `umbral_presence::test`. The clock is the test's.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{StatusCode, request::Parts};
use serde_json::{Value, json};
use tests::Server;
use tokio::time::{Instant, sleep};
use umbral_presence::{
    Limits, PresenceSpec, RealtimePlugin, ResolveContext, UserId,
    test::{Seen, Unmet, World},
};

const SECOND: Duration = Duration::from_secs(1);
const ROOM: &str = "room:1";

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn world(plugin: RealtimePlugin) -> World {
    World::new(plugin).expect("a plugin that can be built")
}

/// Which kind of thing was seen, and of whom.
fn shown(seen: &Seen) -> (&'static str, Value) {
    match seen {
        Seen::Sync(_, members) => ("sync", json!(members)),
        Seen::Join(_, member) => ("join", member["id"].clone()),
        Seen::Leave(_, member) => ("leave", member["id"].clone()),
        Seen::Update(_, member) => ("update", member.clone()),
        Seen::Event { event, data, .. } => ("event", json!([event, data])),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_lost_stays_for_the_grace_and_who_says_goodbye_is_gone_at_once() -> Outcome {
    let world = world(Server::rooms());
    let mut ann = world.user("ann").join(ROOM).await?;
    let (ben, zoe) = (world.user("ben").join(ROOM).await?, world.user("zoe").join(ROOM).await?);
    ann.sees(ROOM, ["zoe", "ben", "ann"]).await?;
    let start = Instant::now();
    ben.lose();
    zoe.goodbye().await;
    ann.sees(ROOM, ["ann", "ben"]).await?;
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    ann.sees(ROOM, ["ann"]).await?;
    assert!(start.elapsed() >= 3 * SECOND, "{:?}", start.elapsed());
    let seen = ann.seen();
    let changes: Vec<_> = seen.iter().map(shown).filter(|(what, _)| *what == "leave").collect();
    assert_eq!(changes, [("leave", json!("zoe")), ("leave", json!("ben"))]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_within_the_grace_shows_nothing() -> Outcome {
    let world = world(Server::rooms());
    let mut ann = world.user("ann").join(ROOM).await?;
    let ben = world.user("ben");
    let tab = ben.join(ROOM).await?;
    ann.sees(ROOM, ["ann", "ben"]).await?;
    ann.seen();
    tab.lose();
    world.after(2 * SECOND).await;
    let _back = ben.join(ROOM).await?;
    world.after(10 * SECOND).await;
    world.settled().await?;
    assert_eq!(ann.seen(), []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_tab_that_is_open_for_hours_stays_in_its_groups() -> Outcome {
    let world = world(Server::rooms());
    let mut ann = world.user("ann").join(ROOM).await?;
    ann.join("room:2").await?;
    world.after(7200 * SECOND).await;
    assert_eq!(world.realtime().presence().count(ROOM).await?, 1);
    ann.leave(ROOM).await?;
    world.settled().await?;
    assert_eq!(world.realtime().presence().count(ROOM).await?, 0);
    assert_eq!((ann.ids(ROOM), ann.ids("room:2")), (vec![], vec!["ann".to_owned()]));
    Ok(())
}

async fn slow_names(users: Vec<UserId>, context: ResolveContext) -> HashMap<UserId, Value> {
    sleep(2 * SECOND).await;
    let called: &Arc<AtomicBool> = context.get().expect("a value that was given");
    called.store(true, Ordering::SeqCst);
    users.into_iter().map(|user| (user.clone(), json!({ "id": user, "name": "?" }))).collect()
}

#[tokio::test(start_paused = true)]
async fn all_is_settled_once_resolvers_have_answered_and_everybody_has_been_told() -> Outcome {
    let called = Arc::new(AtomicBool::new(false));
    let named = PresenceSpec::prefixes(["room:"]).batch_resolver(slow_names);
    let world = world(Server::plugin().with_presence(named).with_state(called.clone()));
    let ann = world.user("ann").join(ROOM).await?;
    world.settled().await?;
    assert!(called.load(Ordering::SeqCst));
    assert_eq!(ann.members(ROOM), [json!({ "id": "ann", "name": "?" })]);
    Ok(())
}

async fn never(_users: Vec<UserId>, _context: ResolveContext) -> HashMap<UserId, Value> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_is_said_with_what_has_come() -> Outcome {
    let named = PresenceSpec::prefixes(["named:"]).batch_resolver(never);
    let world = world(Server::rooms().with_presence(named).limits(Limits::default()));
    let mut ann = world.user("ann").join(ROOM).await?;
    let refused = world.user("ann").join("room:private").await;
    assert!(matches!(refused, Err(Unmet::Denied(group)) if group.as_str() == "room:private"));
    let error = ann.sees(ROOM, ["ann", "ben"]).await.expect_err("nobody else has come");
    assert_eq!(error.to_string(), r#"room:1 shows ["ann"], and ["ann", "ben"] were expected"#);
    let error = ann.event("chat").await.expect_err("nothing was sent");
    assert!(matches!(&error, Unmet::Late(seen) if seen.len() == 1), "{error:?}");
    let _waits = world.user("ann").join("named:1").await?;
    let error = world.settled().await.expect_err("the resolver hangs").to_string();
    assert!(error.contains("batch resolver"), "{error}");
    let error = world.user("ann").header("a b", "c").open().await.expect_err("no header");
    assert!(matches!(error, Unmet::Header(_)));
    assert!(ann.join("a b").await.is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_application_s_own_sign_in_and_events_are_there_too() -> Outcome {
    let plugin = Server::rooms().identity_resolver(|parts: Parts| async move {
        let cookie = parts.headers.get("cookie")?.to_str().ok()?;
        cookie.strip_prefix("user=").map(str::to_owned)
    });
    let world = world(plugin.recheck_every(60 * SECOND).at("/live"));
    let mut ann = world.visitor().header("cookie", "user=ann").join(ROOM).await?;
    let mut nobody = world.visitor().join(ROOM).await?;
    let ben = world.user("ben").join(ROOM).await?;
    nobody.sees(ROOM, ["ann", "ben"]).await?;
    world.realtime().to_user("ann").send("mail", &json!(7)).await?;
    assert_eq!(ann.event("mail").await?, json!(7));
    world.realtime().disconnect_user("ben").await?;
    ben.ends().await?;
    // Nobody is taken for somebody else when it is asked again.
    world.after(600 * SECOND).await;
    world.settled().await?;
    assert_eq!(nobody.ids(ROOM), ["ann"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_as_it_is() -> Outcome {
    let world = world(Server::rooms());
    world.realtime().drain().await;
    let refused = world.user("ann").open().await.expect_err("a server that goes down");
    let Unmet::Refused { status, body } = refused else { panic!("{refused:?}") };
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["error"]["code"], "draining");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn all_is_settled_once_events_have_arrived() -> Outcome {
    let world = world(Server::rooms());
    let mut ann = world.user("ann").join(ROOM).await?;
    let mut ben = world.user("ben").open().await?;
    world.settled().await?;
    ann.seen();
    world.realtime().to_group(ROOM).send("chat", &json!(1)).await?;
    world.realtime().to_user("ben").send("mail", &json!(2)).await?;
    world.settled().await?;
    let got = |seen: Vec<Seen>| seen.iter().map(shown).collect::<Vec<_>>();
    assert_eq!(got(ann.seen()), [("event", json!(["chat", 1]))]);
    assert_eq!(got(ben.seen()), [("event", json!(["mail", 2]))]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_settled_once_events_have_arrived_on_other_threads_too() -> Outcome {
    let world = world(Server::rooms());
    let mut ann = world.user("ann").join(ROOM).await?;
    for number in 0..50 {
        world.settled().await?;
        ann.seen();
        world.realtime().to_group(ROOM).send("chat", &json!(number)).await?;
        world.settled().await?;
        let seen: Vec<_> = ann.seen().iter().map(shown).collect();
        assert_eq!(seen, [("event", json!(["chat", number]))]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_tab_that_the_server_has_ended_shows_nobody_and_keeps_nothing_from_being_settled()
-> Outcome {
    let world = world(Server::rooms());
    let ann = world.user("ann").join(ROOM).await?;
    let mut ben = world.user("ben").join(ROOM).await?;
    world.settled().await?;
    assert_eq!(ben.ids(ROOM), ["ann", "ben"]);
    world.realtime().disconnect_user("ben").await?;
    world.settled().await?;
    assert_eq!((ann.ids(ROOM), ben.ids(ROOM)), (vec!["ann".to_owned()], vec![]));
    assert!(matches!(ben.join(ROOM).await, Err(Unmet::Refused { .. })));
    world.settled().await?;
    ben.ends().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_denied_shows_nobody_until_it_is_joined_again() -> Outcome {
    let is_allowed = Arc::new(AtomicBool::new(true));
    let also = is_allowed.clone();
    let plugin = Server::rooms().group_policy_fn(move |user: Option<&str>, group: &str| {
        user == Some("ann") || group != ROOM || also.load(Ordering::SeqCst)
    });
    let world = world(plugin);
    let ann = world.user("ann").join(ROOM).await?;
    let mut ben = world.user("ben").join(ROOM).await?;
    let both = ["ann", "ben"];
    world.settled().await?;
    assert_eq!(ben.ids(ROOM), both);
    is_allowed.store(false, Ordering::SeqCst);
    world.realtime().recheck_policy("ben").await?;
    world.settled().await?;
    assert_eq!((ann.ids(ROOM), ben.ids(ROOM)), (vec!["ann".to_owned()], vec![]));
    assert!(ben.seen().iter().any(|seen| shown(seen).1[0] == "@denied"));
    assert!(matches!(ben.join(ROOM).await, Err(Unmet::Denied(_))));
    ben.join("room:2").await?;
    world.settled().await?;
    // The tab is in again before it has read that it was out.
    is_allowed.store(true, Ordering::SeqCst);
    ben.join(ROOM).await?;
    world.settled().await?;
    assert_eq!(ben.ids(ROOM), both);
    is_allowed.store(false, Ordering::SeqCst);
    world.realtime().recheck_policy("ben").await?;
    is_allowed.store(true, Ordering::SeqCst);
    ben.join(ROOM).await?;
    world.after(120 * SECOND).await;
    world.settled().await?;
    assert_eq!(
        (ann.ids(ROOM), ben.ids(ROOM)),
        (both.map(str::to_owned).into(), both.map(str::to_owned).into())
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_that_of_the_call_however_long_the_policy_takes() -> Outcome {
    let asked = Arc::new(AtomicUsize::new(0));
    let also = asked.clone();
    // The first answer is the slowest, and a tab proves meanwhile that it is there.
    let plugin = Server::rooms().group_policy_async_fn(move |_, _| {
        let nth = also.fetch_add(1, Ordering::SeqCst);
        async move {
            sleep(if nth == 0 { 2 * SECOND } else { SECOND }).await;
            false
        }
    });
    let world = world(plugin);
    for open_for in [0, 19] {
        asked.store(0, Ordering::SeqCst);
        let mut ann = world.user("ann").open().await?;
        world.after(open_for * SECOND).await;
        assert!(matches!(ann.join(ROOM).await, Err(Unmet::Denied(_))), "after {open_for} s");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "after {open_for} s");
        world.after(SECOND).await;
        world.settled().await?;
    }
    Ok(())
}
