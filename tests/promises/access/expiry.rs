//! Sign-ins that run out while connections are open. The clock is the test's.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tests::{Chunks, Pipes, Server, control};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{Identity, Limits, PresenceSpec, Realtime};

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(3);

/// What is known of a request is kept where somebody is asked again. The first time is any within this.
const HARDLY_EVER: Duration = Duration::from_secs(10_000_000);

/// For how much longer everybody is signed in, as the application says at the moment.
#[derive(Clone, Copy, Debug)]
enum SignIn {
    For(Duration),
    Until(Instant),
    NoMore,
    IsNotKnown,
}

#[derive(Clone)]
struct Application(Arc<Mutex<SignIn>>);

impl Application {
    fn says(&self, sign_in: SignIn) {
        *self.0.lock() = sign_in;
    }

    fn answer(&self) -> io::Result<Option<Identity>> {
        match *self.0.lock() {
            SignIn::For(time) => Ok(Some(Identity::new(7).until(SystemTime::now() + time))),
            SignIn::Until(end) => {
                let left = end.saturating_duration_since(Instant::now());
                Ok(Some(Identity::new(7).until(SystemTime::now() + left)))
            }
            SignIn::NoMore => Ok(None),
            SignIn::IsNotKnown => Err(io::Error::other("the database is away")),
        }
    }
}

/// A server on which everybody is signed in for 100 seconds, and asks again who they are by what is
/// kept of their requests, or keeps nothing.
fn signed_in_for_100_seconds(keeps: bool) -> (Application, Realtime) {
    let application = Application(Arc::new(Mutex::new(SignIn::For(100 * SECOND))));
    let asked = application.clone();
    let rooms = PresenceSpec::prefixes(["room:"]).grace(GRACE);
    let limits = Limits { connections_per_user: 1000, ..Limits::default() };
    let plugin =
        Server::plugin().with_presence(rooms).limits(limits).identity_resolver(move |_| {
            let answer = asked.answer();
            async move { answer }
        });
    let plugin = if keeps { plugin.recheck_every(HARDLY_EVER) } else { plugin };
    (application, plugin.build().expect("a plugin that can be built"))
}

/// A stream that is read: what it was told besides the roster, and when it ended.
struct Read(tokio::task::JoinHandle<(Vec<Value>, Instant)>);

impl Read {
    fn new(mut stream: Chunks) -> Self {
        Self(tokio::spawn(async move {
            let mut expiring = Vec::new();
            while let Some(frames) = stream.frames().await {
                let told = frames.into_iter().filter(|frame| frame.event == "@expiring");
                expiring.extend(told.map(|frame| frame.data));
            }
            (expiring, Instant::now())
        }))
    }

    /// What it was told, and after how long it has ended.
    async fn ended(self, since: Instant) -> (Vec<Value>, Duration) {
        let read = timeout(3600 * SECOND, self.0).await.expect("an end");
        let (expiring, end) = read.expect("a reader");
        (expiring, end - since)
    }
}

/// The ends are said by the real clock, which goes on a little while the test's stands still.
fn about(time: Duration, expected: Duration) -> bool {
    time.abs_diff(expected) < SECOND
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_a_minute_before_and_the_stream_ends_in_time() {
    for keeps in [false, true] {
        let (application, realtime) = signed_in_for_100_seconds(keeps);
        let start = Instant::now();
        let v1 = Read::new(Chunks::open(&realtime, "7", "groups=room:1&v=1").await);
        let plain = Read::new(Chunks::open(&realtime, "7", "groups=room:1").await);
        application.says(SignIn::NoMore);
        sleep(99 * SECOND).await;
        let (told, after) = plain.ended(start).await;
        assert!(told.is_empty() && about(after, 100 * SECOND), "{told:?} {after:?}");
        // Whoever does not call is lost before that.
        let (told, after) = v1.ended(start).await;
        assert!(told == [json!({ "within": 60 })] && after < 70 * SECOND, "{told:?} {after:?}");
        assert_eq!(realtime.presence().count("room:1").await, Ok(1), "the grace goes on");
        sleep(GRACE + SECOND).await;
        assert_eq!(realtime.presence().count("room:1").await, Ok(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_calls_in_time_stays_for_as_long_as_the_application_says() {
    let (application, realtime) = signed_in_for_100_seconds(false);
    let start = Instant::now();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
    let token = stream.token().await;
    let read = Read::new(stream);
    for n in 1..30 {
        sleep(20 * SECOND).await;
        if n == 20 {
            application.says(SignIn::Until(start + 450 * SECOND));
        }
        let body = json!({ "conn": token, "n": n, "groups": ["room:1"] });
        if control(&realtime, "7", &body).await.0 != 200 {
            break;
        }
    }
    let (told, after) = read.ended(start).await;
    assert!(about(after, 450 * SECOND), "{after:?}");
    assert_eq!(told.first(), Some(&json!({ "within": 50 })), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_comes_nearer_is_kept() {
    let (application, realtime) = signed_in_for_100_seconds(false);
    application.says(SignIn::For(3600 * SECOND));
    let start = Instant::now();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
    let token = stream.token().await;
    let read = Read::new(stream);
    sleep(10 * SECOND).await;
    application.says(SignIn::For(5 * SECOND));
    let body = json!({ "conn": token, "n": 1, "groups": ["room:1"] });
    assert_eq!(control(&realtime, "7", &body).await.0, 200);
    let (told, after) = read.ended(start).await;
    assert!(about(after, 15 * SECOND), "{after:?}");
    assert_eq!(told, [json!({ "within": 5 })]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_the_application_is_asked_again_by_what_is_kept() {
    let (application, realtime) = signed_in_for_100_seconds(true);
    let start = Instant::now();
    let read = Read::new(Chunks::open(&realtime, "7", "groups=room:1").await);
    sleep(250 * SECOND).await;
    assert_eq!(realtime.health().connections, 1, "twice it was signed in for longer");
    application.says(SignIn::IsNotKnown);
    sleep(75 * SECOND).await;
    assert_eq!(realtime.health().connections, 1, "there is no answer, for 25 seconds");
    application.says(SignIn::For(100 * SECOND));
    sleep(100 * SECOND).await;
    assert_eq!(realtime.health().connections, 1);
    application.says(SignIn::IsNotKnown);
    let (_, after) = read.ended(start).await;
    assert!(after > 480 * SECOND && after < 500 * SECOND, "for a minute: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_told_and_ends_in_time_too() {
    let (_application, realtime) = signed_in_for_100_seconds(false);
    let pipes = Pipes::serve(&realtime);
    let start = Instant::now();
    let mut socket = pipes.websocket("7", "groups=room:1&v=1").await;
    let mut told = Vec::new();
    let close = loop {
        match socket.next().await.expect("a close frame").expect("a socket") {
            Message::Text(text) if text.contains("@expiring") => {
                told.push((text.to_string(), start.elapsed()));
            }
            Message::Close(frame) => break frame.expect("a reason"),
            _ => {}
        }
    };
    let [(text, at)] = told.as_slice() else { panic!("{told:?}") };
    assert!(text.contains("\"within\":60") && about(*at, 40 * SECOND), "{told:?}");
    assert!(about(start.elapsed(), 100 * SECOND), "{:?}", start.elapsed());
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, "the sign-in has run out"));
}

#[tokio::test(start_paused = true)]
async fn an_end_may_be_as_far_away_as_it_likes() {
    let (application, realtime) = signed_in_for_100_seconds(false);
    application.says(SignIn::For(10_000_000 * SECOND));
    for _ in 0..10 {
        drop(Chunks::open(&realtime, "7", "groups=room:1").await);
    }
    sleep(120 * SECOND).await;
    assert_eq!(realtime.health().connections, 0);
    application.says(SignIn::For(Duration::from_secs(10_u64.pow(17))));
    let _read = Read::new(Chunks::open(&realtime, "7", "groups=room:1").await);
    sleep(120 * SECOND).await;
    assert_eq!(realtime.health().connections, 1, "an end that no clock can say is none");
}

#[tokio::test(start_paused = true)]
async fn a_minute_without_an_answer_is_a_minute_for_all() {
    let (application, realtime) = signed_in_for_100_seconds(true);
    let mut reads = Vec::new();
    for n in 0..600 {
        let stream = Chunks::open(&realtime, "7", "groups=room:1").await;
        reads.push(Read::new(stream));
        if n % 10 == 9 {
            sleep(SECOND).await;
        }
    }
    application.says(SignIn::IsNotKnown);
    sleep(170 * SECOND).await;
    assert_eq!(realtime.health().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_run_out_is_asked_about_once_though_its_socket_is_stuck() {
    let questions = Arc::new(AtomicUsize::new(0));
    let asked = questions.clone();
    let rooms = PresenceSpec::prefixes(["room:"]);
    let plugin = Server::plugin().with_presence(rooms).identity_resolver(move |_| {
        let is_first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        async move { is_first.then(|| Identity::new(7).until(SystemTime::now() + 10 * SECOND)) }
    });
    let plugin = plugin.recheck_every(HARDLY_EVER);
    let realtime = plugin.build().expect("a plugin that can be built");
    let _stuck = Chunks::open(&realtime, "7", "groups=room:1").await;
    sleep(20 * SECOND).await;
    assert_eq!(questions.load(Ordering::SeqCst), 2);
    assert_eq!(realtime.health().connections, 0);
}
