//! Sessions that end: in the database, on one device, everywhere.

use http::Method;
use serde_json::{Value, json};
use tests::{Client, Kind, eventually, settled};

use crate::house::{HARDLY_EVER, House, OFTEN};

#[tokio::test]
async fn a_session_that_is_deleted_in_the_database_ends_its_stream() {
    let house = House::open(OFTEN).await;
    let mut watcher = house.open_notes(Kind::Sse, &house.sign_in("grace").await).await;
    watcher.event("presence:sync").await;
    for kind in Kind::ALL {
        let ada = house.sign_in("ada").await;
        let mut stream = house.open_notes(kind, &ada).await;
        assert_eq!(watcher.event("presence:join").await.data["id"], 1);
        let id = ada.strip_prefix("session=").expect("the session's cookie");
        let row = sqlx::query("delete from tower_sessions where id = ?").bind(id);
        let rows = row.execute(&house.database).await.expect("a database").rows_affected();
        assert_eq!(rows, 1);
        settled("the stream ends", stream.end()).await;
        assert_eq!(watcher.event("presence:leave").await.data["id"], 1);
        let refused = house.try_open_notes(Kind::Sse, &ada).await.err().map(|(status, _)| status);
        assert_eq!(refused, Some(403));
    }
    assert!(house.told(&mut watcher).await.is_empty(), "the watcher has stayed");
}

#[tokio::test]
async fn a_sign_out_ends_the_streams_of_its_device_and_nobody_sees_a_leave() {
    let house = House::open(HARDLY_EVER).await;
    let mut watcher = house.open_notes(Kind::Sse, &house.sign_in("grace").await).await;
    watcher.event("presence:sync").await;
    let laptop = house.sign_in("ada").await;
    let _laptop_stream = house.open_notes(Kind::SseV1, &laptop).await;
    watcher.event("presence:join").await;
    for kind in Kind::ALL {
        let phone = house.sign_in("ada").await;
        let mut stream = house.open_notes(kind, &phone).await;
        let (status, ..) = house.ask(Method::DELETE, "/session", &phone, Value::Null).await;
        assert_eq!(status, 204);
        settled("the phone's stream ends", stream.end()).await;
        assert!(!house.knows(&phone).await && house.knows(&laptop).await);
    }
    assert_eq!(house.told(&mut watcher).await, []);
    assert_eq!(house.server.realtime.health().connections, 2);
}

#[tokio::test]
async fn a_sign_out_everywhere_ends_all_streams_sessions_and_tokens() {
    let house = House::open(HARDLY_EVER).await;
    let mut watcher = house.open_notes(Kind::Sse, &house.sign_in("grace").await).await;
    watcher.event("presence:sync").await;
    let (phone, laptop) = (house.sign_in("ada").await, house.sign_in("ada").await);
    let bearer = format!("Bearer {}", house.token("ada").await);
    let script = ("authorization", bearer.as_str());
    let mut streams = Vec::new();
    for kind in Kind::ALL {
        streams.push(house.open_notes(kind, &phone).await);
        let stream = Client::with_header(&house.server, kind, script, "doc:2").await;
        streams.push(stream.expect("a token"));
    }
    watcher.event("presence:join").await;
    let (status, ..) = house.ask(Method::DELETE, "/sessions", &laptop, Value::Null).await;
    assert_eq!(status, 204);
    for mut stream in streams {
        settled("the stream ends", stream.end()).await;
    }
    let leave = watcher.event("presence:leave").await;
    assert_eq!(leave.data, json!({ "id": 1, "name": "Ada Lovelace" }));
    // The rows of the other sessions are still there, and void.
    let refused = house.try_open_notes(Kind::Sse, &phone).await.err();
    assert_eq!(refused.map(|(status, _)| status), Some(403));
    assert!(!house.knows(&phone).await && !house.knows(&laptop).await);
    let refused = Client::with_header(&house.server, Kind::Sse, script, "doc:2").await.err();
    assert_eq!(refused.map(|(status, _)| status), Some(403));
    assert!(house.knows(&house.sign_in("ada").await).await, "the password is good as before");
}

#[tokio::test]
async fn whoever_signs_in_on_a_device_ends_the_streams_of_the_one_before() {
    let house = House::open(HARDLY_EVER).await;
    let ada = house.sign_in("ada").await;
    let mut stream = house.open_notes(Kind::WsV1, &ada).await;
    let body = json!({ "handle": "alan", "password": accounts::PASSWORD });
    let (status, user, alan) = house.ask(Method::POST, "/session", &ada, body).await;
    assert_eq!((status, &user["name"]), (200, &json!("Alan Turing")));
    settled("the stream ends", stream.end()).await;
    assert!(!house.knows(&ada).await && house.knows(&alan.expect("a new session")).await);
}

#[tokio::test]
async fn a_session_that_has_run_out_is_void_and_is_cleared_away() {
    let house = House::open(HARDLY_EVER).await;
    let (ada, _) = (house.sign_in("ada").await, house.sign_in("grace").await);
    house
        .execute(
            "update tower_sessions set expiry_date = '2020-01-01 00:00:00.0 +00:00'
            where rowid = (select min(rowid) from tower_sessions)",
        )
        .await;
    let refused = house.try_open_notes(Kind::Sse, &ada).await.err();
    assert_eq!(refused.map(|(status, _)| status), Some(403));
    let house = house.again().await;
    eventually("the other session is left", async || {
        let count = sqlx::query_scalar("select count(*) from tower_sessions");
        let count: i64 = count.fetch_one(&house.database).await.expect("a database");
        count == 1
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_signs_nobody_in() {
    let house = House::open(HARDLY_EVER).await;
    for (handle, password) in [("ada", "simsim"), ("nobody", accounts::PASSWORD)] {
        let body = json!({ "handle": handle, "password": password });
        for path in ["/session", "/token"] {
            let (status, _, cookie) = house.ask(Method::POST, path, "", body.clone()).await;
            assert_eq!((status, cookie), (401, None));
        }
    }
}
