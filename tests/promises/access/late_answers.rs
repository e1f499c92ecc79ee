//! Answers of the application that come late: one that was asked for earlier never takes the
//! place of a later one. The clock is the test's, and the test gives the answers.

use std::{future::Future, time::Duration};

use futures_util::{FutureExt, SinkExt};
use http::request::Parts;
use serde_json::{Value, json};
use tests::{Chunks, Pipes, Server, USER_HEADER, call, control, get, settled};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, yield_now},
};
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{
    GroupPolicy, Limits, MessageContext, MessageHandler, PresenceSpec, Realtime, RealtimePlugin,
};

const ROOM: &str = "room:1";

/// Long enough that no test ends within it.
const LONG: Duration = Duration::from_secs(600);

/// What the application is asked, in order, each with the way to answer.
struct Questions<A>(mpsc::UnboundedReceiver<oneshot::Sender<A>>);

impl<A: Send + 'static> Questions<A> {
    /// The questions, and what asks them.
    fn new() -> (Self, impl Fn() -> oneshot::Receiver<A> + Send + Sync + 'static) {
        let (ask, questions) = mpsc::unbounded_channel();
        let ask = move || {
            let (answer, answered) = oneshot::channel();
            ask.send(answer).expect("a test that goes on");
            answered
        };
        (Self(questions), ask)
    }

    async fn next(&mut self) -> oneshot::Sender<A> {
        settled("a question", self.0.recv()).await.expect("an application")
    }

    /// Answers the next question.
    async fn answer(&mut self, answer: A) {
        assert!(self.next().await.send(answer).is_ok(), "nobody waits for the answer any more");
    }
}

fn rooms() -> RealtimePlugin {
    Server::plugin().with_presence(PresenceSpec::prefixes(["room:"]).grace(LONG))
}

/// An application whose policy the test is.
fn asked_for_groups(plugin: RealtimePlugin) -> (Questions<bool>, Realtime) {
    let (questions, ask) = Questions::new();
    let plugin = plugin.group_policy_async_fn(move |_, _| {
        let answered = ask();
        async move { answered.await.expect("an answer") }
    });
    (questions, plugin.build().expect("a plugin that can be built"))
}

fn spawn<T: 'static>(
    realtime: &Realtime,
    what: impl AsyncFnOnce(Realtime) -> T + 'static,
) -> JoinHandle<T> {
    let realtime = realtime.clone();
    tokio::task::spawn_local(async move { what(realtime).await })
}

/// Runs a test with tasks that need not be `Send`.
async fn locally(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

/// A stream of user 7 in the room: its body, and its token.
async fn enter(realtime: &Realtime, questions: &mut Questions<bool>) -> (Chunks, String) {
    let opening =
        spawn(realtime, async |realtime| Chunks::open(&realtime, "7", "groups=room:1&v=1").await);
    questions.answer(true).await;
    let mut stream = opening.await.expect("a stream");
    let token = stream.token().await;
    (stream, token)
}

async fn replace(realtime: Realtime, token: String, n: u64, groups: Vec<&str>) -> Value {
    let (status, _, answer) =
        control(&realtime, "7", &json!({ "conn": token, "n": n, "groups": groups })).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Every task has done what it can.
async fn quiet() {
    for _ in 0..100 {
        yield_now().await;
    }
}

async fn is_in(realtime: &Realtime) -> bool {
    quiet().await;
    realtime.presence().contains(ROOM, 7).await.expect("a valid name")
}

/// Whether the client is told that it has lost the room.
async fn is_denied(stream: &mut Chunks) -> bool {
    let mut events = Vec::new();
    while let Ok(Some(frames)) =
        tokio::time::timeout(Duration::from_millis(100), stream.frames()).await
    {
        events.extend(frames.into_iter().map(|frame| frame.event));
    }
    events.iter().any(|event| event == "@denied")
}

#[tokio::test(start_paused = true)]
async fn a_late_no_of_a_recheck_does_not_undo_the_yes_of_a_later_one() {
    locally(async {
        let (mut questions, realtime) = asked_for_groups(rooms());
        let (mut stream, _) = enter(&realtime, &mut questions).await;
        let first = spawn(&realtime, async |realtime| {
            realtime.recheck_policy(7).await.expect("no other node");
        });
        let late = questions.next().await;
        let second = spawn(&realtime, async |realtime| {
            realtime.recheck_policy(7).await.expect("no other node");
        });
        questions.answer(true).await;
        second.await.expect("no panic");
        late.send(false).expect("still waited for");
        first.await.expect("no panic");
        assert!(is_in(&realtime).await);
        assert!(!is_denied(&mut stream).await);
        // A no that nothing has overtaken counts.
        let third = spawn(&realtime, async |realtime| {
            realtime.recheck_policy(7).await.expect("no other node");
        });
        questions.answer(false).await;
        third.await.expect("no panic");
        assert!(!is_in(&realtime).await);
        assert!(is_denied(&mut stream).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_no_of_a_recheck_does_not_undo_a_join_that_was_asked_for_later() {
    locally(async {
        for by_group in [false, true] {
            let (mut questions, realtime) = asked_for_groups(rooms());
            let (mut stream, token) = enter(&realtime, &mut questions).await;
            let recheck = spawn(&realtime, async move |realtime| {
                if by_group {
                    realtime.recheck_group(ROOM).await.expect("a valid name");
                } else {
                    realtime.recheck_policy(7).await.expect("no other node");
                }
            });
            let late = questions.next().await;
            if by_group {
                // Of anonymous visitors.
                questions.answer(false).await;
            }
            replace(realtime.clone(), token.clone(), 1, vec![]).await;
            let joining = spawn(&realtime, async move |realtime| {
                replace(realtime, token, 2, vec![ROOM]).await
            });
            questions.answer(true).await;
            assert_eq!(joining.await.expect("no panic")["joined"], json!([ROOM]));
            late.send(false).expect("still waited for");
            recheck.await.expect("no panic");
            assert!(is_in(&realtime).await, "{by_group}");
            assert!(!is_denied(&mut stream).await, "{by_group}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_no_does_not_end_a_grace_that_a_later_yes_has_begun() {
    locally(async {
        let (mut questions, realtime) = asked_for_groups(rooms());
        let (stream, _) = enter(&realtime, &mut questions).await;
        let recheck = spawn(&realtime, async |realtime| {
            realtime.recheck_policy(7).await.expect("no other node");
        });
        let late = questions.next().await;
        drop(stream);
        drop(enter(&realtime, &mut questions).await);
        late.send(false).expect("still waited for");
        recheck.await.expect("no panic");
        assert!(is_in(&realtime).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_no_of_the_interval_does_not_undo_a_later_yes() {
    locally(async {
        let plugin = rooms().recheck_every(Duration::from_secs(10)).recheck_headers([USER_HEADER]);
        let (mut questions, realtime) = asked_for_groups(plugin);
        let (mut stream, _) = enter(&realtime, &mut questions).await;
        let late = questions.next().await;
        let recheck = spawn(&realtime, async |realtime| {
            realtime.recheck_policy(7).await.expect("no other node");
        });
        questions.answer(true).await;
        recheck.await.expect("no panic");
        late.send(false).expect("still waited for");
        assert!(is_in(&realtime).await);
        assert!(!is_denied(&mut stream).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_yes_does_not_undo_a_no_that_the_interval_has_brought() {
    let limits = || Limits { policy_timeout: Duration::from_secs(60), ..Limits::default() };
    locally(async {
        for by_control in [false, true] {
            let plugin = rooms().limits(limits()).recheck_every(Duration::from_secs(10));
            let (mut questions, realtime) = asked_for_groups(plugin.recheck_headers([USER_HEADER]));
            let open =
                async |realtime: Realtime, query: &str| Chunks::open(&realtime, "7", query).await;
            let mut other = open(realtime.clone(), "groups=&v=1").await;
            let token = other.token().await;
            let (mut stream, _) = enter(&realtime, &mut questions).await;
            let joining = spawn(&realtime, async move |realtime| {
                if by_control {
                    let answer = replace(realtime, token, 1, vec![ROOM]).await;
                    return answer["denied"].clone();
                }
                let mut stream = open(realtime, "groups=room:1&v=1").await;
                stream.frames().await.expect("a hello")[0].data["denied"].clone()
            });
            let late = questions.next().await;
            questions.answer(false).await;
            assert!(is_denied(&mut stream).await, "{by_control}");
            late.send(true).expect("still waited for");
            questions.answer(false).await;
            assert_eq!(joining.await.expect("no panic"), json!([ROOM]), "{by_control}");
            assert!(!is_in(&realtime).await, "{by_control}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_yes_does_not_let_a_visitor_in_whom_a_later_no_has_put_out() {
    let limits = || Limits { policy_timeout: Duration::from_secs(60), ..Limits::default() };
    let anonymous = async |realtime: Realtime, query: &str| {
        call(&realtime, get(&format!("sse?{query}"), None)).await
    };
    locally(async {
        let plugin = rooms().limits(limits()).recheck_every(Duration::from_secs(10));
        let (mut questions, realtime) = asked_for_groups(plugin);
        let opening =
            spawn(&realtime, async move |realtime| anonymous(realtime, "groups=room:1&v=1").await);
        questions.answer(true).await;
        let mut stream = Chunks::of(opening.await.expect("a stream"));
        let opening = spawn(&realtime, async move |realtime| {
            anonymous(realtime, "groups=room:1").await.status()
        });
        let late = questions.next().await;
        questions.answer(false).await;
        assert!(is_denied(&mut stream).await);
        late.send(true).expect("still waited for");
        questions.answer(false).await;
        assert_eq!(opening.await.expect("an answer"), 403);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_application_has_asked_again_is_seen_through_though_it_does_not_wait_for_it() {
    locally(async {
        for by_group in [false, true] {
            let (mut questions, realtime) = asked_for_groups(rooms());
            let (mut stream, _) = enter(&realtime, &mut questions).await;
            let recheck = spawn(&realtime, async move |realtime| {
                if by_group {
                    realtime.recheck_group(ROOM).await.expect("a valid name");
                } else {
                    realtime.recheck_policy(7).await.expect("no other node");
                }
            });
            let question = questions.next().await;
            // As the handler of a request is dropped whose client has gone.
            recheck.abort();
            quiet().await;
            question.send(false).expect("still waited for");
            assert!(is_denied(&mut stream).await, "{by_group}");
            assert!(!is_in(&realtime).await, "{by_group}");
        }
    })
    .await;
}

#[test]
fn nothing_is_asked_again_about_nobody_without_a_runtime_too() {
    let realtime = rooms().build().expect("a plugin that can be built");
    assert!(matches!(realtime.recheck_policy(7).now_or_never(), Some(Ok(()))));
}

#[tokio::test(start_paused = true)]
async fn a_control_call_that_is_denied_late_does_not_undo_its_repetition() {
    locally(async {
        let (mut questions, realtime) = asked_for_groups(rooms());
        let (_stream, token) = enter(&realtime, &mut questions).await;
        replace(realtime.clone(), token.clone(), 1, vec![]).await;
        let repeated = token.clone();
        let first =
            spawn(&realtime, async move |realtime| replace(realtime, token, 2, vec![ROOM]).await);
        let late = questions.next().await;
        let second = spawn(&realtime, async move |realtime| {
            replace(realtime, repeated, 2, vec![ROOM]).await
        });
        questions.answer(true).await;
        assert_eq!(second.await.expect("no panic")["joined"], json!([ROOM]));
        late.send(false).expect("still waited for");
        let answer = first.await.expect("no panic");
        assert_eq!((&answer["denied"], &answer["left"]), (&json!([]), &json!([])));
        assert!(is_in(&realtime).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_no_from_before_the_right_was_given_is_asked_again() {
    locally(async {
        let (mut questions, realtime) = asked_for_groups(rooms());
        let opening = spawn(&realtime, async |realtime| {
            Chunks::open(&realtime, "7", "groups=room:1&v=1").await
        });
        let early = questions.next().await;
        // The application gives the right and says so; nobody is in a group yet.
        realtime.recheck_policy(7).await.expect("no other node");
        early.send(false).expect("still waited for");
        questions.answer(true).await;
        let mut stream = opening.await.expect("a stream");
        let hello = &stream.frames().await.expect("a hello")[0];
        assert_eq!(hello.data["denied"], json!([]));
        assert!(is_in(&realtime).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_that_nobody_is_signed_in_does_not_end_a_stream_that_was_confirmed_later() {
    locally(async {
        let (mut questions, ask) = Questions::<Option<String>>::new();
        let plugin = rooms().identity_resolver(move |_: Parts| {
            let answered = ask();
            async move { answered.await.expect("an answer") }
        });
        let realtime = plugin.build().expect("a plugin that can be built");
        let seven = || Some("7".to_owned());
        let opening = spawn(&realtime, async |realtime| {
            Chunks::open(&realtime, "7", "groups=room:1&v=1").await
        });
        questions.answer(seven()).await;
        let mut stream = opening.await.expect("a stream");
        let (token, same) = {
            let token = stream.token().await;
            (token.clone(), token)
        };
        let first =
            spawn(&realtime, async move |realtime| replace(realtime, token, 1, vec![ROOM]).await);
        let late = questions.next().await;
        let second =
            spawn(&realtime, async move |realtime| replace(realtime, same, 2, vec![ROOM]).await);
        questions.answer(seven()).await;
        second.await.expect("no panic");
        late.send(None).expect("still waited for");
        // It is asked again, since it may be somebody else who calls.
        questions.answer(seven()).await;
        first.await.expect("no panic");
        assert!(is_in(&realtime).await);
    })
    .await;
}

/// A policy that lets everybody join, and asks the test who may send.
struct MaySend<Ask>(Ask);

impl<Ask> GroupPolicy for MaySend<Ask>
where
    Ask: Fn() -> oneshot::Receiver<bool> + Send + Sync + 'static,
{
    async fn can_join(&self, _: Option<&str>, _: &str) -> bool {
        true
    }

    async fn can_send(&self, _: Option<&str>, _: &str) -> bool {
        let answered = self.0();
        answered.await.expect("an answer")
    }
}

/// Passes everything on to the room, and tells the test what has come of it.
struct PassOn(mpsc::UnboundedSender<bool>);

impl MessageHandler for PassOn {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        let sent = context.publish(ROOM, "chat", &text).await.is_ok();
        self.0.send(sent).expect("a test that goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_yes_to_send_from_before_the_right_was_lost_is_asked_again() {
    let ((mut questions, ask), (tell, mut sent)) = (Questions::new(), mpsc::unbounded_channel());
    let plugin = rooms().group_policy(MaySend(ask)).message_handler(PassOn(tell));
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    socket.send(Message::text("hello")).await.expect("an open connection");
    let early = questions.next().await;
    realtime.recheck_policy(7).await.expect("no other node");
    early.send(true).expect("still waited for");
    questions.answer(false).await;
    assert_eq!(sent.recv().await, Some(false));
    socket.send(Message::text("hello")).await.expect("an open connection");
    questions.answer(true).await;
    assert_eq!(sent.recv().await, Some(true));
}
