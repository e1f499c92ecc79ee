//! What applications send, and what clients send to them.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Client, Kind, Server};
use umbral_presence::{MessageContext, MessageHandler};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn messages_reach_a_user_a_group_and_everybody() {
    let server = Server::with_rooms(LONG).await;
    for kind in Kind::ALL {
        let mut seven = Client::open(&server, kind, Some("7"), "room:1").await;
        let mut eight = Client::open(&server, kind, Some("8"), "room:2").await;
        server.realtime.to_user(7).send("mail", &1).await.unwrap();
        server.realtime.to_group("room:2").send("chat", &"hi\n\n").await.unwrap();
        server.realtime.broadcast().send("news", &json!({ "a": null })).await.unwrap();
        let mail = seven.event("mail").await;
        assert_eq!((mail.channel.as_str(), mail.data), ("@user:7", json!(1)));
        let chat = eight.event("chat").await;
        assert_eq!((chat.channel.as_str(), chat.data), ("room:2", json!("hi\n\n")));
        for client in [&mut seven, &mut eight] {
            let news = client.event("news").await;
            assert_eq!((news.channel.as_str(), news.data), ("@broadcast", json!({ "a": null })));
        }
        let seen = seven.frames_until_now(&server, "room:1").await;
        assert!(!seen.iter().any(|frame| frame.event == "chat"), "{seen:?}");
    }
}

/// Publishes `{"group", "text"}` and answers with what came of it.
struct Relay;

impl MessageHandler for Relay {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let group = message["group"].as_str().expect("a message that names a group");
        let sent = context.publish(group, "chat", &message["text"]).await;
        let outcome = sent.map_or_else(|error| error.to_string(), |()| "sent".to_owned());
        let done = context.publish("room:log", "outcome", &outcome).await;
        done.expect("a log that everybody may write to");
    }
}

#[tokio::test]
async fn what_a_client_sends_goes_to_the_handler_and_through_the_policy() {
    let server = Server::start(Server::plugin().message_handler(Relay)).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "room:1,room:log").await;
    client.send(&json!({ "group": "room:1", "text": "hi" })).await;
    assert_eq!(client.event("chat").await.data, json!("hi"));
    assert_eq!(client.event("outcome").await.data, json!("sent"));
    client.send(&json!({ "group": "room:private", "text": "hi" })).await;
    let outcome = client.event("outcome").await.data;
    assert!(outcome.as_str().unwrap().contains("does not let this user send"), "{outcome}");
    // A handler that panics loses one message and nothing else.
    client.send(&json!({ "no": "group" })).await;
    client.send(&json!({ "group": "room:1", "text": "still here" })).await;
    assert_eq!(client.event("chat").await.data, json!("still here"));
}
