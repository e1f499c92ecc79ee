//! What applications send, and what clients send to them.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Client, Kind, Server};
use umbral_presence::{MessageContext, MessageHandler, PresenceSpec};

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

/// Answers the one who has written with who else is there, and tells another user of it.
struct WhoIsHere;

impl MessageHandler for WhoIsHere {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        let group: String = serde_json::from_str(text).expect("a name");
        let members = context.presence().members(group.as_str()).await.expect("a valid name");
        let ids: Vec<_> = members.iter().map(|member| member.id().parse::<u64>()).collect();
        let ids: Vec<_> = ids.into_iter().map(|id| id.expect("a number")).collect();
        context.reply("here", &ids).expect("an event that may be sent");
        context.to_user(8).send("asked", &context.user_id()).await.expect("a valid event");
        let error = context.reply("presence:sync", &1).expect_err("the library's own");
        context.reply("error", &error.to_string()).expect("an event that may be sent");
    }
}

#[tokio::test]
async fn a_handler_answers_the_sender_alone_and_has_the_handles_that_it_needs() {
    let rooms = PresenceSpec::prefixes(["room:"]);
    let plugin = Server::plugin().with_presence(rooms).message_handler(WhoIsHere);
    let server = Server::start(plugin).await;
    for kind in [Kind::Ws, Kind::WsV1] {
        let mut seven = Client::open(&server, kind, Some("7"), "room:1").await;
        let mut eight = Client::open(&server, kind, Some("8"), "room:1").await;
        seven.send(&json!("room:1")).await;
        let here = seven.event("here").await;
        assert_eq!((here.channel.as_str(), here.data), ("@conn", json!([7, 8])));
        assert_eq!(eight.event("asked").await.data, json!("7"));
        let error = seven.event("error").await.data;
        assert!(error.as_str().unwrap().contains("presence:sync"), "{error}");
        let seen = eight.frames_until_now(&server, "room:1").await;
        assert!(!seen.iter().any(|frame| frame.event == "here"), "{seen:?}");
        seven.close(1000).await;
        eight.close(1000).await;
    }
}
