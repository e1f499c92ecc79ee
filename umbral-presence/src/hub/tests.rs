//! What is told when, and that it is encoded once.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::sleep;

use super::{Hub, Verdict};
use crate::{
    connection::Opening,
    frame::{Dialect, Frames, Transport},
    group::GroupName,
    limits::Limits,
    session::Session,
    spec::{PresenceSpec, matcher::Matcher, resolver::ResolveContext},
    user::UserId,
};

/// Many ticks, however slow the machine is.
const LONG: Duration = Duration::from_secs(10);

fn hub() -> Arc<Hub> {
    let (matcher, _) = Matcher::new(vec![PresenceSpec::prefixes(["room:"])]);
    Hub::new(matcher, Limits::default(), ResolveContext::default())
}

/// A session in the room.
fn enter(hub: &Arc<Hub>, user: &str) -> Session {
    let opening = Opening {
        user: Some(UserId::new(user).expect("an id")),
        dialect: Dialect { transport: Transport::Sse, v1: true },
        token: None,
        request: None,
    };
    let session =
        Session::open(hub, opening, &Verdict::default(), |_| None::<Value>).expect("room for it");
    let room = GroupName::new("room:1").expect("a name");
    let asked = hub.revocations.now();
    let verdict = Verdict { asked, allowed: vec![room], ..Verdict::default() };
    session.subscribe(&verdict).expect("nobody is sent away here");
    session
}

/// What waits for a session.
fn read(session: &Session) -> Vec<Frames> {
    std::iter::from_fn(|| session.next().now_or_never()?.ok()).collect()
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
