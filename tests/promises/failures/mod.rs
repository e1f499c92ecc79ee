//! Nothing fails silently: what is wrong is refused with a reason, and what cannot work does not
//! build. What is logged is in `logs.rs`.

mod outages;
mod refusals;

use std::time::Duration;

use tests::Server;
use umbral_presence::{Limits, PresenceSpec, Realtime, SendError};

#[test]
fn a_plugin_that_cannot_work_does_not_build() {
    let built = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .at("rt/")
        .allowed_origins(["example.com", "https://*.example.com"])
        .allowed_hosts(["http://example.com"])
        .expect_declared(["nowhere:"])
        .limits(Limits {
            connections: 0,
            outbox_bytes: 1,
            inbound_bytes_per_second: 64 * 1024,
            messages_per_second: 100,
            tick: Duration::MAX,
            drain_window: Duration::MAX,
            ..Limits::default()
        })
        .build();
    let error = built.map(|_: Realtime| ()).unwrap_err();
    let text = error.to_string();
    assert_eq!(text.matches("failures/mod.rs:").count(), 2, "{text}");
    for part in [
        "\"room:\"",
        "\"rt/\"",
        "allowed origin \"example.com\" is not an origin",
        "allowed origin \"https://*.example.com\" has a '*'",
        "allowed host \"http://example.com\" is not a host",
        "limit connections is 0",
        "limit outbox_bytes is 1",
        "limit inbound_bytes_per_second is 65536",
        "at least 102400",
        "limit tick of",
        "limit drain_window of",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_was_expected_and_is_not_linked_is_named() {
    let built = Server::plugin().expect_declared(["nowhere:"]).build();
    let text = built.map(|_: Realtime| ()).unwrap_err().to_string();
    assert!(text.contains("\"nowhere:\"") && text.contains("use that_crate as _;"), "{text}");
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_an_error() {
    let server = Server::with_rooms(Duration::from_secs(60)).await;
    let realtime = &server.realtime;
    let bad = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(realtime.to_group("a b").send("x", &1).await, Err(SendError::Group(_))));
    assert!(matches!(realtime.to_user("").send("x", &1).await, Err(SendError::User(_))));
    assert!(matches!(realtime.broadcast().send("x", &bad).await, Err(SendError::Data { .. })));
    for event in ["", "presence:join", "@hello", "a\nb"] {
        let sent = realtime.broadcast().send(event, &1).await;
        assert!(matches!(sent, Err(SendError::Event(_))), "{event:?}");
    }
}

#[tokio::test]
async fn a_message_that_fits_into_no_outbox_is_an_error() {
    let realtime = Server::plugin().build().expect("a plugin that can be built");
    let sent = realtime.broadcast().send("chat", &"x".repeat(256 * 1024)).await;
    assert!(sent.unwrap_err().to_string().contains("outbox_bytes"));
    assert!(realtime.broadcast().send("chat", &"x".repeat(255 * 1000)).await.is_ok());
}
