//! Nothing is global.

use std::time::Duration;

use serde_json::json;
use tests::{Client, Kind, Server};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn two_realtimes_in_one_process_do_not_see_each_other() {
    let (one, two) = (Server::with_rooms(LONG).await, Server::with_rooms(LONG).await);
    let _client = Client::open(&one, Kind::Sse, Some("7"), "room:1").await;
    let mut other = Client::open(&two, Kind::Sse, Some("8"), "room:1").await;
    assert_eq!(other.event("presence:sync").await.data, json!([{ "id": "8" }]));
    assert_eq!(two.realtime.health().connections, 1);
    one.realtime.broadcast().send("news", &1).await.unwrap();
    let seen = other.frames_until_now(&two, "room:1").await;
    assert_eq!(seen, []);
}
