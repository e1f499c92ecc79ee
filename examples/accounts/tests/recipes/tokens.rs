//! Tokens of clients that are no browsers, and their end.

use std::time::Duration;

use accounts::Settings;
use serde_json::json;
use tests::{Client, Kind, settled};

use crate::house::{HARDLY_EVER, House, NOTES};

/// Long enough for a stream to open on a machine that has much to do.
const LIFE: Duration = Duration::from_secs(12);

#[tokio::test]
async fn a_stream_is_told_that_its_token_runs_out_and_ends_with_it() {
    let settings = Settings { token_life: LIFE, recheck_every: HARDLY_EVER, ..Settings::default() };
    let house = House::open_with(settings).await;
    let mut watcher = house.open_notes(Kind::Sse, &house.sign_in("grace").await).await;
    watcher.event("presence:sync").await;
    let bearer = format!("Bearer {}", house.token("ada").await);
    let header = ("authorization", bearer.as_str());
    let mut streams = Vec::new();
    for kind in [Kind::SseV1, Kind::WsV1] {
        let stream = Client::with_header(&house.server, kind, header, NOTES).await;
        streams.push(stream.expect("a token that is good"));
    }
    assert_eq!(watcher.event("presence:join").await.data["name"], json!("Ada Lovelace"));
    for stream in &mut streams {
        let within = stream.event("@expiring").await.data["within"].as_u64();
        assert!(within.is_some_and(|within| within <= LIFE.as_secs()), "{within:?}");
    }
    let mut streams = streams.into_iter();
    settled("the event stream ends", streams.next().expect("two").end()).await;
    let code = streams.next().expect("two").close_code().await;
    assert_eq!(code, Some(1008), "the WebSocket ends too");
    watcher.event("presence:leave").await;
    let refused = Client::with_header(&house.server, Kind::Sse, header, NOTES).await.err();
    assert_eq!(refused.map(|(status, _)| status), Some(403), "the token is void");
}

#[tokio::test]
async fn a_token_of_somebody_else_is_nobodys() {
    let (house, other) = (House::open(HARDLY_EVER).await, House::open(HARDLY_EVER).await);
    let foreign = other.token("ada").await;
    for token in ["", "a.b.c", &foreign] {
        let header = ("authorization", &*format!("Bearer {token}"));
        let refused = Client::with_header(&house.server, Kind::Sse, header, NOTES).await.err();
        assert_eq!(refused.map(|(status, _)| status), Some(403), "{token}");
    }
}
