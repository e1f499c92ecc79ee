//! What one client, one user or one address can make the server hold and do has a bound, and who
//! goes beyond it is told so.

mod many_names;
mod messages;
mod permits;
mod rates;

use std::time::Duration;

use serde_json::json;
use tests::{Chunks, Client, Kind, Server, code, control};
use tokio::time::sleep;
use umbral_presence::Limits;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn limits_are_kept() {
    let limits = Limits { connections: 3, connections_per_user: 2, ..Limits::default() };
    let server = Server::start(Server::plugin().limits(limits)).await;
    let first = Client::open(&server, Kind::Sse, Some("7"), "a").await;
    let second = Client::open(&server, Kind::Ws, Some("7"), "a").await;
    let third = Client::try_open(&server, Kind::Sse, Some("7"), "a").await.err().unwrap();
    assert_eq!((third.0, code(&third.1)), (429, "too_many_connections"));
    let other = Client::open(&server, Kind::Sse, Some("8"), "a").await;
    let fourth = Client::try_open(&server, Kind::Ws, Some("9"), "a").await.err().unwrap();
    assert_eq!((fourth.0, code(&fourth.1)), (503, "full"));
    drop((first, second, other));
    server.is_empty().await;
    Client::open(&server, Kind::Sse, Some("7"), "a").await;
}

#[tokio::test(start_paused = true)]
async fn of_more_calls_than_the_rate_allows_the_rest_is_told_when_to_come_again() {
    let realtime = Server::plugin().build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7", "groups=&v=1").await;
    let mut other = Chunks::open(&realtime, "7", "groups=&v=1").await;
    let (token, other) = (stream.token().await, other.token().await);
    let call = async |token: &str, n| {
        control(&realtime, "7", &json!({ "conn": token, "n": n, "groups": [] })).await
    };
    for round in 0..3 {
        for n in 1..=20 {
            assert_eq!(call(&token, 100 * round + n).await.0, 200);
        }
        let (status, retry, body) = call(&token, 100 * round + 21).await;
        assert_eq!((status, retry.as_deref()), (429, Some("1")));
        assert_eq!(body["error"]["code"], "too_fast");
        assert_eq!(body["error"]["limit"], 20);
        assert_eq!(call(&other, round).await.0, 200, "another stream has its own");
        sleep(SECOND).await;
    }
}

#[tokio::test]
async fn a_control_call_for_as_many_groups_as_allowed_fits() {
    let limits = Limits { groups_per_connection: 1000, ..Limits::default() };
    let realtime = Server::plugin().limits(limits).build().expect("a plugin that can be built");
    let groups: Vec<_> = (0..1000).map(|n| format!("room:{n:0>190}")).collect();
    let body = json!({ "conn": "0".repeat(32), "n": 1, "groups": groups, "sync": groups });
    assert_eq!(control(&realtime, "7", &body).await.0, 404);
}

/// The longest names, of which each byte takes two in an answer.
fn longest_names(count: usize) -> Vec<String> {
    let tails = (0..count).map(|n| format!("{n:0>2}"));
    tails.map(|tail| format!("room:private{}{tail}", "\\".repeat(186))).collect()
}

#[tokio::test]
async fn the_smallest_outbox_holds_the_answer_to_a_client_that_is_let_in_nowhere() {
    for (outbox_bytes, groups, payload_bytes) in [(4096, 6, 3072), (47_724, 100, 8192)] {
        let limits = Limits {
            outbox_bytes,
            groups_per_connection: groups,
            payload_bytes,
            ..Limits::default()
        };
        let server = Server::start(Server::plugin().limits(limits)).await;
        let names = longest_names(groups);
        assert_eq!(names[0].len(), 200);
        let query = names.join(",").replace('\\', "%5C");
        for kind in [Kind::SseV1, Kind::WsV1] {
            let mut client = Client::open(&server, kind, Some("7"), &query).await;
            let hello = client.event("@hello").await;
            assert_eq!(hello.data["denied"], json!(names), "{kind:?}");
        }
        let mut client = Client::open(&server, Kind::WsV1, Some("7"), "").await;
        client.event("@hello").await;
        client.send(&json!({ "op": "join", "groups": names })).await;
        // All of them in one frame.
        assert_eq!(client.event("@denied").await.data, json!({ "groups": names }));
    }
}
