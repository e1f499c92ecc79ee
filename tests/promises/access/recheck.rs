//! Asking identities and policies again while connections are open. The clock is the test's.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::json;
use tests::{Chunks, Pipes, Server};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{Limits, PresenceSpec, Realtime};

const EVERY: Duration = Duration::from_secs(10);

/// Everybody has been asked about again by then.
const ROUND: Duration = Duration::from_secs(12);

/// What the session layer says of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Session {
    User(&'static str),
    Nobody,
    Hangs,
    Panics,
}

/// What the policy says of `room:1`; everything else is open to all.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Yes,
    No,
    Hangs,
    Panics,
}

/// What the application says at the moment.
#[derive(Clone)]
struct Application(Arc<Mutex<(Session, Answer)>>);

impl Application {
    fn says(&self, session: Session, answer: Answer) {
        *self.0.lock() = (session, answer);
    }

    fn realtime(&self) -> Realtime {
        let (identity, policy) = (self.clone(), self.clone());
        let plugin = Server::plugin()
            .with_presence(PresenceSpec::prefixes(["room:"]).grace(Duration::from_secs(600)))
            .limits(Limits { policy_timeout: Duration::from_secs(1), ..Limits::default() })
            .identity_resolver(move |_| {
                let session = identity.0.lock().0;
                async move {
                    match session {
                        Session::User(id) => Some(id.to_owned()),
                        Session::Nobody => None,
                        Session::Hangs => std::future::pending().await,
                        Session::Panics => panic!("boom"),
                    }
                }
            })
            .group_policy_async_fn(move |_, group| {
                let answer = policy.0.lock().1;
                async move {
                    match answer {
                        _ if group != "room:1" => true,
                        Answer::Yes => true,
                        Answer::No => false,
                        Answer::Hangs => std::future::pending().await,
                        Answer::Panics => panic!("boom"),
                    }
                }
            });
        plugin.recheck_every(EVERY).build().expect("a plugin that can be built")
    }
}

fn application() -> (Application, Realtime) {
    let application = Application(Arc::new(Mutex::new((Session::User("7"), Answer::Yes))));
    let realtime = application.realtime();
    (application, realtime)
}

async fn groups(realtime: &Realtime) -> Vec<String> {
    realtime.presence().groups_of(7).await.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn who_has_become_somebody_else_or_nobody_is_ended_and_leaves_at_once() {
    for session in [Session::User("8"), Session::Nobody] {
        let (application, realtime) = application();
        let pipes = Pipes::serve(&realtime);
        let mut socket = pipes.websocket("7", "groups=room:1").await;
        let mut stream = Chunks::open(&realtime, "7", "groups=room:1,room:2&v=1").await;
        stream.frames().await;
        application.says(session, Answer::Yes);
        let ended = timeout(ROUND, async {
            while stream.frames().await.is_some() {}
            loop {
                if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                    return frame;
                }
            }
        });
        let frame = ended.await.expect("both end within a round").expect("a reason");
        assert_eq!((frame.code.into(), frame.reason.as_str()), (1008_u16, "another identity"));
        assert_eq!(groups(&realtime).await, [""; 0], "{session:?}");
        assert_eq!(realtime.health().users, 0, "{session:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_lost_the_right_is_told_so_and_nothing_after_it() {
    let (application, realtime) = application();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1,room:2").await;
    sleep(ROUND).await;
    assert_eq!(groups(&realtime).await, ["room:1", "room:2"], "asked again, and it may stay");
    application.says(Session::User("7"), Answer::No);
    let mut events = Vec::new();
    while !events.contains(&"@denied".to_owned()) {
        let frames = timeout(ROUND, stream.frames()).await.expect("within a round");
        for frame in frames.expect("a stream that goes on") {
            if frame.event == "@denied" {
                assert_eq!(frame.data, json!({ "groups": ["room:1"] }));
            }
            events.push(frame.event);
        }
    }
    assert_eq!(groups(&realtime).await, ["room:2"], "at once, whatever the grace");
    for group in ["room:1", "room:2"] {
        realtime.to_group(group).send("news", &group).await.expect("a valid name");
    }
    let news = stream.frames().await.expect("a stream that goes on");
    assert_eq!(news.iter().map(|frame| &*frame.channel).collect::<Vec<_>>(), ["room:2"]);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_answer_everything_stays_as_it_is() {
    let yes = Answer::Yes;
    let seven = Session::User("7");
    for (session, answer) in [
        (Session::Hangs, yes),
        (Session::Panics, yes),
        (seven, Answer::Hangs),
        (seven, Answer::Panics),
    ] {
        let (application, realtime) = application();
        let pipes = Pipes::serve(&realtime);
        let mut socket = pipes.websocket("7", "groups=room:1,room:2").await;
        application.says(session, answer);
        let reading = async { while socket.next().await.is_some_and(|m| m.is_ok()) {} };
        assert!(timeout(3 * ROUND, reading).await.is_err(), "{session:?} {answer:?}");
        assert_eq!(groups(&realtime).await, ["room:1", "room:2"], "{session:?} {answer:?}");
        // As soon as there is one again it counts.
        application.says(seven, Answer::No);
        let reading = async { while socket.next().await.is_some_and(|m| m.is_ok()) {} };
        assert!(timeout(ROUND, reading).await.is_err(), "{session:?} {answer:?}");
        assert_eq!(groups(&realtime).await, ["room:2"], "{session:?} {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_right_while_a_long_grace_runs_leaves_within_the_interval() {
    let (application, realtime) = application();
    drop(Chunks::open(&realtime, "7", "groups=room:1,room:2").await);
    sleep(2 * ROUND).await;
    assert_eq!(groups(&realtime).await, ["room:1", "room:2"], "a grace of ten minutes");
    application.says(Session::User("7"), Answer::No);
    sleep(ROUND).await;
    assert_eq!(groups(&realtime).await, ["room:2"]);
}
