//! How many connections there may be, and how much the application is asked before there is
//! one. The clock is the test's.
#![allow(clippy::print_stdout)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use futures_util::future::join_all;
use http::{Response, request::Parts};
use parking_lot::Mutex;
use serde_json::json;
use tests::{Chunks, Server, USER_HEADER, call, code, control, get, json};
use tokio::{task::JoinSet, time::sleep};
use umbral_presence::{Limits, Realtime, RealtimePlugin};

const SECOND: Duration = Duration::from_secs(1);

/// How many questions are under way, and the most that there were.
#[derive(Clone, Debug, Default)]
struct Inside(Arc<(AtomicUsize, AtomicUsize)>);

impl Inside {
    async fn stay(self) {
        struct Leave(Inside);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.0.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        let leave = Leave(self);
        sleep(SECOND).await;
        drop(leave);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

fn limits(connections: usize) -> Limits {
    Limits { connections, opens_per_user: 1000, ..Limits::default() }
}

fn user_of(parts: &Parts) -> Option<String> {
    parts.headers.get(USER_HEADER).map(|id| id.to_str().expect("text").to_owned())
}

/// Users by header, as soon as a second is over.
fn slow_identity(inside: &Inside) -> RealtimePlugin {
    let inside = inside.clone();
    Server::plugin().identity_resolver(move |parts: Parts| {
        let inside = inside.clone();
        async move {
            inside.stay().await;
            user_of(&parts)
        }
    })
}

async fn ask(realtime: &Realtime, path: &str, user: Option<&str>) -> Response<Body> {
    call(realtime, get(path, user)).await
}

#[tokio::test(start_paused = true)]
async fn no_more_handshakes_than_connections_are_inside_the_identity_resolver() {
    let inside = Inside::default();
    let realtime = slow_identity(&inside).limits(limits(10)).build().expect("a plugin");
    let users: Vec<_> = (0..5000).map(|n| n.to_string()).collect();
    let opening = users.iter().map(|user| ask(&realtime, "sse", Some(user)));
    let responses = join_all(opening).await;
    let opened = responses.iter().filter(|response| response.status() == 200).count();
    let full = responses.iter().filter(|response| response.status() == 503).count();
    println!("of 5,000 handshakes {} were inside at once", inside.most());
    assert_eq!((inside.most(), opened, full), (10, 10, 4990));
    drop(responses);
    assert_eq!(ask(&realtime, "sse", Some("7")).await.status(), 200, "the permits are back");
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_without_a_connection_are_inside_than_there_may_be_connections() {
    let inside = Inside::default();
    let realtime = slow_identity(&inside).limits(limits(10)).build().expect("a plugin");
    let asking = (0..500).map(|_| ask(&realtime, "members?group=room:1", None));
    let mut refused = 0;
    for response in join_all(asking).await {
        if response.status() == 503 {
            assert!(response.headers().contains_key("retry-after"));
            assert_eq!(code(&json(response).await), "busy");
            refused += 1;
        }
    }
    assert_eq!((inside.most(), refused), (10, 490));
}

#[tokio::test(start_paused = true)]
async fn a_user_s_handshakes_are_counted_before_the_policy_is_asked() {
    let inside = Inside::default();
    let policy = inside.clone();
    let plugin = Server::plugin()
        .limits(Limits { connections_per_user: 3, ..Limits::default() })
        .group_policy_async_fn(move |_, _| {
            let inside = policy.clone();
            async move {
                inside.stay().await;
                true
            }
        });
    let realtime = plugin.build().expect("a plugin that can be built");
    let opening = (0..100).map(|_| ask(&realtime, "sse?groups=room:1", Some("7")));
    let responses = join_all(opening).await;
    let statuses = |status| responses.iter().filter(|response| response.status() == status).count();
    assert_eq!((inside.most(), statuses(200), statuses(429)), (3, 3, 97));
}

#[tokio::test(start_paused = true)]
async fn anonymous_visitors_leave_a_part_of_the_permits_to_signed_in_users() {
    for (anonymous, most) in [(None, 6), (Some(2), 2), (Some(0), 0)] {
        let limits = Limits { anonymous, ..limits(8) };
        let realtime = Server::plugin().limits(limits).build().expect("a plugin");
        let mut open = Vec::new();
        for n in 0..8 {
            let response = ask(&realtime, "sse", None).await;
            assert_eq!(response.status(), if n < most { 200 } else { 503 }, "{anonymous:?} {n}");
            if n < most {
                open.push(response);
            } else {
                assert_eq!(code(&json(response).await), "full");
            }
        }
        while open.len() < 8 {
            let response = ask(&realtime, "sse", Some("7")).await;
            assert_eq!(response.status(), 200, "{anonymous:?}");
            open.push(response);
        }
        assert_eq!(ask(&realtime, "sse", Some("7")).await.status(), 503);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_sign_in_anonymous_visitors_have_all_permits() {
    let plugin = RealtimePlugin::new().without_declared().limits(limits(8));
    let realtime = plugin.build().expect("a plugin that can be built");
    let opened = join_all((0..9).map(|_| ask(&realtime, "sse", None))).await;
    assert_eq!(opened.iter().filter(|response| response.status() == 200).count(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_permit_comes_back_whatever_becomes_of_the_handshake() {
    /// What the application does when it is asked.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Does {
        PanicInIdentity,
        HangInIdentity,
        GiveABadId,
        PanicInPolicy,
        HangInPolicy,
        Deny,
        Allow,
    }
    let does = Arc::new(Mutex::new(Does::Allow));
    let (in_identity, in_policy) = (does.clone(), does.clone());
    let plugin = Server::plugin()
        .limits(Limits { connections_per_user: 3, ..limits(3) })
        .identity_resolver(move |parts: Parts| {
            let does = *in_identity.lock();
            async move {
                match does {
                    Does::PanicInIdentity => panic!("boom"),
                    Does::HangInIdentity => std::future::pending().await,
                    Does::GiveABadId => Some(String::new()),
                    _ => user_of(&parts),
                }
            }
        })
        .group_policy_async_fn(move |_, _| {
            let does = *in_policy.lock();
            async move {
                match does {
                    Does::PanicInPolicy => panic!("boom"),
                    Does::HangInPolicy => std::future::pending().await,
                    does => does == Does::Allow,
                }
            }
        });
    let realtime = plugin.build().expect("a plugin that can be built");
    let full_house = async || {
        *does.lock() = Does::Allow;
        let opened = join_all((0..3).map(|_| ask(&realtime, "sse?groups=a", Some("7")))).await;
        opened.iter().all(|response| response.status() == 200)
    };
    for bad in [
        Does::PanicInIdentity,
        Does::HangInIdentity,
        Does::GiveABadId,
        Does::PanicInPolicy,
        Does::HangInPolicy,
        Does::Deny,
    ] {
        *does.lock() = bad;
        let refused = join_all((0..3).map(|_| ask(&realtime, "sse?groups=a", Some("7")))).await;
        assert!(refused.iter().all(|response| response.status() != 200), "{bad:?}");
        assert!(full_house().await, "{bad:?}");
        // A client that goes away has its handshake dropped.
        *does.lock() = bad;
        let mut going = JoinSet::new();
        for _ in 0..3 {
            let realtime = realtime.clone();
            going.spawn(async move { ask(&realtime, "sse?groups=a", Some("7")).await.status() });
        }
        sleep(SECOND / 10).await;
        going.shutdown().await;
        assert!(full_house().await, "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn few_control_calls_of_one_connection_wait_for_the_application() {
    let (inside, is_slow) = (Inside::default(), Arc::new(AtomicBool::new(false)));
    let (resolver, slow) = (inside.clone(), is_slow.clone());
    let plugin = Server::plugin().identity_resolver(move |parts: Parts| {
        let (inside, is_slow) = (resolver.clone(), slow.load(Ordering::SeqCst));
        async move {
            if is_slow {
                inside.stay().await;
            }
            user_of(&parts)
        }
    });
    let realtime = plugin.build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7", "groups=&v=1").await;
    let token = stream.token().await;
    is_slow.store(true, Ordering::SeqCst);
    let bodies: Vec<_> = (1..=20).map(|n| json!({ "conn": token, "n": n, "groups": [] })).collect();
    let answers = join_all(bodies.iter().map(|body| control(&realtime, "7", body))).await;
    let refused = answers.iter().filter(|(status, _, _)| *status == 429).count();
    assert_eq!((inside.most(), refused), (4, 16));
}
