//! A WebSocket whose client or handler is slow, or stops half-way. The clock is the test's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::json;
use tests::{Pipes, Server, fill, until_gone};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use umbral_presence::{Limits, MessageContext, MessageHandler, PresenceSpec};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_group_once_more_is_in_it_or_denied_and_not_both() {
    let open = Arc::new(AtomicBool::new(true));
    let switch = open.clone();
    let policy =
        move |user: Option<&str>, _: &str| user == Some("8") || open.load(Ordering::SeqCst);
    let realtime =
        Server::rooms().group_policy_fn(policy).build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    sleep(SECOND).await;
    switch.store(false, Ordering::SeqCst);
    let join = json!({ "op": "join", "groups": ["room:1", "room:2"] }).to_string();
    socket.send(Message::text(join)).await.expect("an open connection");
    sleep(SECOND).await;
    realtime.recheck_policy(7).await.expect("no other node");
    let _other = pipes.websocket("8", "groups=room:1").await;
    sleep(SECOND).await;
    let mut texts = Vec::new();
    while let Ok(Some(Ok(Message::Text(text)))) = timeout(SECOND, socket.next()).await {
        texts.push(text.to_string());
    }
    // What is held is not asked about; who asks again loses nothing by it.
    let of_room = |text: &String| text.contains("room:1") && !text.contains("@joined");
    let of_room: Vec<_> = texts.iter().filter(|text| of_room(text)).collect();
    assert_eq!(of_room.len(), 2, "{texts:#?}");
    assert!(of_room[0].contains("presence:sync") && of_room[1].contains("@denied"), "{texts:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slower_than_its_group_can_leave() {
    let realtime = Server::rooms().build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    let hose = tokio::spawn({
        let realtime = realtime.clone();
        async move {
            loop {
                fill(&realtime, 16).await;
                sleep(Duration::from_millis(9)).await;
            }
        }
    });
    sleep(SECOND).await;
    let leave = json!({ "op": "leave", "groups": ["room:1"] }).to_string();
    socket.send(Message::text(leave)).await.expect("an open connection");
    let start = Instant::now();
    loop {
        sleep(Duration::from_millis(20)).await;
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text.contains("@left") => break,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < 20 * SECOND, "it is never heard");
    }
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
    hose.abort();
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_that_answers_is_kept() {
    let realtime = Server::rooms().build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let slow_from = Instant::now() + 12 * SECOND;
    let mut readers = JoinSet::new();
    for n in 0..16 {
        let mut socket = pipes.websocket(&n.to_string(), "groups=room:1").await;
        readers.spawn(async move {
            while let Some(Ok(_)) = socket.next().await {
                // Slow for a while, before and after as fast as it comes.
                if (slow_from..slow_from + 25 * SECOND).contains(&Instant::now()) {
                    sleep(SECOND / 3).await;
                }
            }
        });
    }
    for n in 0..4 {
        sleep_until(slow_from + 5 * n * SECOND).await;
        fill(&realtime, 256).await;
    }
    sleep(60 * SECOND).await;
    assert_eq!(realtime.health().connections, 16);
}

/// Its answer to a ping stands behind what it has still to read.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_minute_to_read_a_large_snapshot_is_kept() {
    let about = |id: &str| json!({ "id": id, "about": "x".repeat(4000) });
    let rooms = PresenceSpec::prefixes(["room:"]).resolver(about);
    let realtime = Server::plugin().with_presence(rooms).build().expect("a plugin");
    let pipes = Pipes::serve(&realtime);
    let mut members = Vec::new();
    for n in 0..60 {
        let mut member = pipes.websocket(&n.to_string(), "groups=room:1").await;
        members.push(tokio::spawn(async move { while let Some(Ok(_)) = member.next().await {} }));
    }
    sleep(SECOND).await;
    let mut reader = pipes.slow_websocket("60", "v=1&groups=room:1", 4096).await;
    // What happens meanwhile waits behind the snapshot.
    let other = realtime.clone();
    let talk = tokio::spawn(async move {
        loop {
            sleep(SECOND).await;
            other.to_group("room:1").send("chat", &"hello").await.expect("a valid event");
        }
    });
    let read = async {
        while let Some(message) = reader.next().await {
            if message.expect("an open connection").to_string().contains("presence:sync") {
                return;
            }
        }
        panic!("the connection is closed");
    };
    let start = Instant::now();
    timeout(120 * SECOND, read).await.expect("the snapshot");
    assert!(start.elapsed() > 45 * SECOND, "{:?}: that was not slow", start.elapsed());
    talk.abort();
}

/// Handles its first message for ever.
struct Endless;

impl MessageHandler for Endless {
    async fn on_message(&self, _: &MessageContext, _: &str) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_while_its_message_is_handled_is_gone() {
    let plugin = Server::rooms().message_handler(Endless);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    socket.send(Message::text("hello")).await.expect("an open connection");
    let gone = until_gone(&realtime).await;
    assert!(gone < 25 * SECOND, "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_heard_while_messages_are_handled() {
    let plugin = Server::rooms().message_handler(Endless);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    for _ in 0..10 {
        socket.send(Message::text("hello")).await.expect("an open connection");
    }
    let goodbye = CloseFrame { code: 1000.into(), reason: "".into() };
    socket.close(Some(goodbye)).await.expect("an open connection");
    let gone = until_gone(&realtime).await;
    assert!(gone < SECOND, "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn of_messages_that_pile_up_the_rest_is_refused() {
    let plugin = Server::rooms().message_handler(Endless);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    // One is handled and one waits: with a third there would be more than 64 KiB.
    for _ in 0..3 {
        let text = "x".repeat(40 * 1024);
        socket.send(Message::text(text)).await.expect("an open connection");
    }
    loop {
        match timeout(SECOND, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) if text.contains("too_fast") => break,
            Ok(Some(Ok(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_shown_every_15_seconds_that_the_server_is_there() {
    let realtime = Server::rooms().build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    for (query, texts) in [("groups=room:1&v=1", 8), ("groups=room:1", 0)] {
        let mut socket = pipes.websocket("7", query).await;
        let (start, mut signs, mut pings) = (Instant::now(), Vec::new(), 0);
        while let Ok(message) = timeout_at(start + 125 * SECOND, socket.next()).await {
            match message.expect("an open connection").expect("an open connection") {
                Message::Text(text) if text.contains("@ping") => {
                    assert_eq!(text, r#"{"channel":"@conn","event":"@ping","data":{}}"#);
                    signs.push(start.elapsed().as_secs_f64().round());
                }
                Message::Ping(_) => pings += 1,
                _ => {}
            }
        }
        let every_15_seconds: Vec<_> = (1..=texts).map(|n| f64::from(15 * n)).collect();
        assert_eq!(signs, every_15_seconds, "{query}");
        assert_eq!(pings, 11, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_worked_off_and_the_goodbye_behind_it_is_heard() {
    let realtime = Server::rooms().build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    let start = Instant::now();
    for n in 0..2000 {
        let frame = match n % 3 {
            0 => Message::Ping("".into()),
            1 => Message::Pong("".into()),
            _ => Message::binary(""),
        };
        socket.feed(frame).await.expect("an open connection");
    }
    let goodbye = CloseFrame { code: 1000.into(), reason: "".into() };
    socket.close(Some(goodbye)).await.expect("an open connection");
    let present = realtime.presence();
    while present.count("room:1").await != Ok(0) {
        assert!(start.elapsed() < 30 * SECOND, "it is never heard");
        sleep(SECOND / 10).await;
    }
    // 256 frames in a second, and a second's worth at once.
    let took = start.elapsed();
    assert!((5 * SECOND..10 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn as_many_messages_as_may_come_are_taken_without_delay() {
    let realtime = Server::rooms().build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..50 {
            let join = json!({ "op": "join", "groups": ["room:1"] }).to_string();
            socket.send(Message::text(join)).await.expect("an open connection");
        }
        let mut answers = 0;
        while answers < 50 {
            let message = socket.next().await.expect("an open connection");
            let Message::Text(text) = message.expect("an open connection") else {
                continue;
            };
            assert!(!text.contains("@refused"), "{text}");
            answers += usize::from(text.contains("@joined"));
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_away_is_cut_off_however_slowly_it_reads() {
    let limits = Limits { outbox_bytes: 8 * 1024 * 1024, ..Limits::default() };
    let realtime = Server::rooms().limits(limits).build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:1").await;
    let long = "x".repeat(4 * 1024 * 1024);
    realtime.to_group("room:1").send("chat", &long).await.expect("a valid name");
    sleep(SECOND).await;
    realtime.disconnect_user(7).await.expect("no other node");
    let (start, pipe) = (Instant::now(), socket.get_mut());
    // It reads so little that this would take hours, and shows all the time that it is there.
    while pipe.write_all(&[0x8A, 0x80, 0, 0, 0, 0]).await.is_ok() {
        assert!(start.elapsed() < 60 * SECOND, "never");
        pipe.read_exact(&mut [0; 16 * 1024]).await.expect("what was written");
        sleep(5 * SECOND).await;
    }
}

/// Keeps what it is told.
struct Keeps(Arc<Mutex<Vec<String>>>);

impl MessageHandler for Keeps {
    async fn on_message(&self, _: &MessageContext, text: &str) {
        self.0.lock().push(text.to_owned());
    }
}

/// It is written in many batches, and the peer is read between them.
const MUCH: usize = 200 * 1024;

#[tokio::test(start_paused = true)]
async fn what_a_client_says_while_much_is_written_is_all_heard() {
    for _ in 0..10 {
        let heard = Arc::new(Mutex::default());
        let plugin = Server::rooms().message_handler(Keeps(heard.clone()));
        let realtime = plugin.build().expect("a plugin that can be built");
        let pipes = Pipes::serve(&realtime);
        let mut socket = pipes.websocket("7", "groups=room:1").await;
        sleep(SECOND).await;
        realtime.to_user(7).send("chat", &"x".repeat(MUCH)).await.expect("no other node");
        let texts: Vec<_> = (0..20).map(|n| format!("text {n}")).collect();
        for text in &texts {
            socket.send(Message::text(text)).await.expect("an open connection");
        }
        while let Ok(Some(Ok(_))) = timeout(SECOND, socket.next()).await {}
        assert_eq!(*heard.lock(), texts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_behind_a_text_is_heard_while_much_is_written() {
    for _ in 0..20 {
        let realtime = Server::rooms().build().expect("a plugin that can be built");
        let pipes = Pipes::serve(&realtime);
        let mut socket = pipes.websocket("7", "groups=room:1").await;
        sleep(SECOND).await;
        realtime.to_user(7).send("chat", &"x".repeat(MUCH)).await.expect("no other node");
        socket.send(Message::text("the last words")).await.expect("an open connection");
        let goodbye = CloseFrame { code: 1000.into(), reason: "".into() };
        socket.close(Some(goodbye)).await.expect("an open connection");
        let reading = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        let gone = until_gone(&realtime).await;
        assert!(gone < SECOND, "{gone:?}");
        reading.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_fell_due_while_a_write_waited_comes_at_once() {
    let realtime = Server::rooms().build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "v=1&groups=room:1").await;
    sleep(SECOND).await;
    realtime.to_user(7).send("chat", &"x".repeat(MUCH)).await.expect("no other node");
    sleep(18 * SECOND).await;
    let start = Instant::now();
    let mut pings = Vec::new();
    while let Ok(message) = timeout_at(start + 40 * SECOND, socket.next()).await {
        if let Message::Ping(_) = message.expect("an open connection").expect("a frame") {
            pings.push(start.elapsed());
        }
    }
    assert!(pings.len() == 4 && pings[0] < SECOND, "{pings:?}");
}
