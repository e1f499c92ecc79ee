//! Asking again about many: in time, and whoever does not answer holds up nobody else. The clock
//! is the test's, but for one test.
#![allow(clippy::print_stdout)]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Body;
use futures_util::{FutureExt, future::join_all};
use http::{Request, Response, StatusCode, request::Parts};
use parking_lot::Mutex;
use serde_json::json;
use tests::{Chunks, Server, USER_HEADER, call, control, get, on_processor};
use tokio::time::sleep;
use tower::ServiceExt;
use umbral_presence::{Limits, PresenceSpec, Realtime, RealtimePlugin};

const EVERY: Duration = Duration::from_secs(1);

/// By which an answer may be late: a tenth of the interval, as the documentation says.
const TOLERANCE: Duration = Duration::from_millis(100);

/// A policy that says yes until the test turns it.
#[derive(Clone)]
struct Policy(Arc<State>);

struct State {
    says: AtomicBool,
    /// How long an answer takes.
    takes: Duration,
    asked: Mutex<HashMap<(Option<String>, String), usize>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Policy {
    fn new(takes: Duration) -> Self {
        Self(Arc::new(State {
            says: AtomicBool::new(true),
            takes,
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        }))
    }

    fn turn(&self) {
        self.0.says.store(false, Ordering::SeqCst);
    }

    fn asked_about(&self, user: Option<&str>, group: &str) -> usize {
        let key = (user.map(str::to_owned), group.to_owned());
        self.0.asked.lock().get(&key).copied().unwrap_or_default()
    }

    async fn ask(self, user: Option<String>, group: String) -> bool {
        *self.0.asked.lock().entry((user.clone(), group.clone())).or_default() += 1;
        let says = self.0.says.load(Ordering::SeqCst);
        if !says && user.as_deref() == Some("hangs") {
            return std::future::pending().await;
        }
        let now = self.0.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_under_way.fetch_max(now, Ordering::SeqCst);
        sleep(self.0.takes).await;
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        says || user.is_some_and(|user| user.starts_with("insider")) || group == "room:open"
    }

    fn plugin(&self) -> RealtimePlugin {
        let policy = self.clone();
        Server::plugin()
            .with_presence(PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO))
            .group_policy_async_fn(move |user, group| policy.clone().ask(user, group))
            .limits(Limits {
                connections_per_user: 1000,
                opens_per_user: 1000,
                ..Limits::default()
            })
    }

    fn asked_again(&self) -> Realtime {
        let plugin = self.plugin().recheck_every(EVERY).recheck_headers([USER_HEADER]);
        plugin.build().expect("a plugin that can be built")
    }
}

fn request(user: Option<&str>, groups: &str) -> Request<Body> {
    get(&format!("sse?groups={groups}"), user)
}

async fn open(realtime: &Realtime, user: Option<&str>, groups: &str) -> Response<Body> {
    let response = call(realtime, request(user, groups)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response
}

/// Many users, each with a connection, ten of them in a room.
async fn crowd(realtime: &Realtime, users: usize) -> Vec<Response<Body>> {
    let router = realtime.router();
    let opening = (0..users).map(|n| {
        let request = request(Some(&n.to_string()), &format!("room:{}", n / 10));
        router.clone().oneshot(request).map(|response| response.expect("an answer"))
    });
    let opened = join_all(opening).await;
    assert!(opened.iter().all(|response| response.status() == StatusCode::OK));
    opened
}

/// How many of a crowd are in their rooms.
async fn inside(realtime: &Realtime, users: usize) -> usize {
    let mut inside = 0;
    for room in 0..users / 10 {
        inside += count(realtime, &format!("room:{room}")).await;
    }
    inside
}

async fn count(realtime: &Realtime, group: &str) -> usize {
    realtime.presence().count(group).await.expect("a valid name")
}

/// What an anonymous visitor has been told by now.
fn events(stream: &mut Chunks) -> Vec<String> {
    let told = stream.arrived().into_iter();
    told.map(|frame| format!("{} {}", frame.event, frame.data)).collect()
}

async fn anonymous(realtime: &Realtime, groups: &str) -> Chunks {
    Chunks::anonymous(realtime, &format!("groups={groups}")).await
}

#[tokio::test(start_paused = true)]
async fn five_thousand_connections_are_asked_about_within_the_interval() {
    let policy = Policy::new(Duration::from_millis(5));
    let realtime = policy.asked_again();
    let _streams = crowd(&realtime, 5000).await;
    assert_eq!(inside(&realtime, 5000).await, 5000);
    policy.turn();
    sleep(EVERY / 2).await;
    let half = inside(&realtime, 5000).await;
    assert!((1500..3500).contains(&half), "the questions are spread: {half} are left");
    sleep(EVERY / 2 + TOLERANCE).await;
    let left = inside(&realtime, 5000).await;
    println!("after the interval {left} of 5000 are still in");
    assert_eq!(left, 0);
}

/// How long this thread has waited for a core that others had, as far as the system says.
fn waited_for_a_core() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = times.split_whitespace().nth(1).and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// One thing after the other with a timer's pause between took six seconds. Those are counted in which
/// nothing runs: what a slow or busy machine takes to work does not count.
#[tokio::test]
async fn five_thousand_connections_are_asked_about_in_time_by_the_real_clock() {
    let policy = Policy::new(Duration::from_millis(5));
    let realtime = policy.asked_again();
    let _streams = crowd(&realtime, 5000).await;
    policy.turn();
    let works = || on_processor() + waited_for_a_core();
    let (start, worked) = (Instant::now(), works());
    let rested = || start.elapsed().saturating_sub(works() - worked);
    while inside(&realtime, 5000).await > 0 {
        assert!(rested() < 3 * EVERY, "{} are left", inside(&realtime, 5000).await);
        sleep(Duration::from_millis(10)).await;
    }
    println!("the last of 5000 was out after {:?}, at rest for {:?}", start.elapsed(), rested());
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_policy_hangs_holds_up_nobody_else() {
    let policy = Policy::new(Duration::from_millis(5));
    let realtime = policy.asked_again();
    let mut streams = crowd(&realtime, 1000).await;
    let groups: Vec<_> = (0..100).map(|n| format!("room:{n}")).collect();
    for _ in 0..50 {
        streams.push(open(&realtime, Some("hangs"), &groups.join(",")).await);
    }
    policy.turn();
    sleep(EVERY + TOLERANCE).await;
    assert_eq!(inside(&realtime, 1000).await, 100, "the one in each room, of whom nothing is said");
}

#[tokio::test(start_paused = true)]
async fn the_groups_of_a_user_are_asked_about_at_once_and_once_for_all_connections() {
    let policy = Policy::new(Duration::from_millis(10));
    let realtime = policy.asked_again();
    let groups: Vec<_> = (0..8).map(|n| format!("room:{n}")).collect();
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(open(&realtime, Some("7"), &groups.join(",")).await);
    }
    policy.0.most_under_way.store(0, Ordering::SeqCst);
    policy.0.asked.lock().clear();
    sleep(EVERY + TOLERANCE).await;
    assert_eq!(policy.0.most_under_way.load(Ordering::SeqCst), 8);
    let asked = policy.asked_about(Some("7"), "room:1");
    assert!((1..=2).contains(&asked), "{asked} times in an interval, with 50 connections");
}

#[tokio::test(start_paused = true)]
async fn an_anonymous_visitor_is_asked_about_too() {
    let policy = Policy::new(Duration::ZERO);
    let realtime = policy.asked_again();
    let mut visitor = anonymous(&realtime, "room:1,room:2,room:open").await;
    sleep(TOLERANCE).await;
    assert_eq!(events(&mut visitor).len(), 3);
    policy.turn();
    sleep(EVERY + TOLERANCE).await;
    let told = events(&mut visitor).concat();
    assert!(told.contains("@denied") && told.contains("room:1") && told.contains("room:2"));
    assert!(!told.contains("room:open"), "{told}");
    assert_eq!(realtime.health().groups, 1);
}

#[tokio::test(start_paused = true)]
async fn who_signs_in_elsewhere_is_anonymous_no_longer() {
    let signed_in = Arc::new(AtomicBool::new(false));
    let session = signed_in.clone();
    let plugin = Server::plugin().identity_resolver(move |_: Parts| {
        let user = session.load(Ordering::SeqCst).then(|| "7".to_owned());
        async move { user }
    });
    let realtime = plugin.recheck_every(EVERY).build().expect("a plugin that can be built");
    let mut visitor = anonymous(&realtime, "a").await;
    signed_in.store(true, Ordering::SeqCst);
    sleep(EVERY + TOLERANCE).await;
    assert!(matches!(visitor.frames().now_or_never(), Some(None)), "the stream has ended");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_turns_private_is_left_by_everybody_who_may_not_be_there() {
    let policy = Policy::new(Duration::from_millis(10));
    let realtime = policy.plugin().build().expect("a plugin that can be built");
    let mut streams = Vec::new();
    for n in 0..50 {
        for user in [format!("{n}"), format!("insider{n}")] {
            streams.push(open(&realtime, Some(&user), "room:1,room:2").await);
        }
    }
    let mut visitor = anonymous(&realtime, "room:1,room:2").await;
    let mut mute = anonymous(&realtime, "room:2").await;
    sleep(TOLERANCE).await;
    // They have been told who is there.
    assert!(!events(&mut visitor).is_empty() && !events(&mut mute).is_empty());
    // One more is at the door, with a yes from before.
    let entering = tokio::spawn({
        let realtime = realtime.clone();
        async move { call(&realtime, request(Some("late"), "room:1")).await.status() }
    });
    sleep(Duration::from_millis(5)).await;
    policy.turn();
    realtime.recheck_group("room:1").await.expect("a valid name");
    assert_eq!(entering.await.expect("no panic"), 403, "asked again");
    assert_eq!(count(&realtime, "room:1").await, 50);
    assert_eq!(count(&realtime, "room:2").await, 100, "nobody was asked about another");
    let told = events(&mut visitor);
    assert_eq!(told.iter().filter(|event| event.starts_with("@denied")).count(), 1, "{told:?}");
    let denied = json!({ "groups": ["room:1"] });
    assert!(told.contains(&format!("@denied {denied}")), "{told:?}");
    assert!(!events(&mut mute).concat().contains("@denied"));
    realtime.to_group("room:1").send("secret", &1).await.expect("a valid name");
    assert!(!events(&mut visitor).concat().contains("secret"));
    // Once for each user, and once for all visitors.
    assert_eq!(policy.asked_about(None, "room:1"), 2);
    assert!(realtime.recheck_group("no group").await.is_err());
}

/// An application that needs a header that it has not named sees that at once, not after the
/// interval.
#[tokio::test(start_paused = true)]
async fn what_is_asked_again_is_asked_with_what_was_asked_at_first() {
    let plugin = Server::plugin().recheck_every(EVERY);
    let realtime = plugin.build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7", "groups=a&v=1").await;
    let hello = &stream.frames().await.expect("a hello")[0];
    assert_eq!(hello.data["me"], json!(null), "the header is not kept");
    let body = json!({ "conn": hello.data["conn"], "n": 1, "groups": ["a", "b"] });
    assert_eq!(control(&realtime, "7", &body).await.0, 200, "nobody still");
    sleep(2 * EVERY).await;
    assert_eq!(realtime.health().connections, 1);
}
