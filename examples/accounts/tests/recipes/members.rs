//! Members of a document: what others see of them, and what happens when one is removed.

use http::Method;
use serde_json::{Value, json};
use tests::{Fold, Kind, settled};

use crate::house::{HARDLY_EVER, House, NOTES};

#[tokio::test]
async fn a_snapshot_has_the_names_of_the_database() {
    let house = House::open(HARDLY_EVER).await;
    let mut streams = Vec::new();
    for (handle, kind) in ["ada", "grace", "katherine"].into_iter().zip(Kind::ALL) {
        streams.push(house.open_notes(kind, &house.sign_in(handle).await).await);
    }
    let expected = [
        json!({ "id": 1, "name": "Ada Lovelace" }),
        json!({ "id": 2, "name": "Grace Hopper" }),
        json!({ "id": 3, "name": "Alan Turing" }),
        json!({ "id": 4, "name": "Katherine Johnson" }),
    ];
    let alan = house.sign_in("alan").await;
    for kind in Kind::ALL {
        let mut stream = house.open_notes(kind, &alan).await;
        let mut roster = Fold::of(NOTES);
        settled("everybody's name", async {
            while roster.payloads() != expected {
                roster.take(&stream.next().await.expect("a stream that goes on"));
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_member_who_is_removed_is_denied_and_the_others_see_a_leave() {
    let house = House::open(HARDLY_EVER).await;
    let (ada, grace) = (house.sign_in("ada").await, house.sign_in("grace").await);
    let mut watcher = house.open_notes(Kind::Sse, &house.sign_in("alan").await).await;
    watcher.event("presence:sync").await;
    let path = "/documents/1/members/2";
    for kind in Kind::ALL {
        let mut stream = house.open_notes(kind, &grace).await;
        assert_eq!(watcher.event("presence:join").await.data["id"], 2);
        let (status, ..) = house.ask(Method::DELETE, path, &ada, Value::Null).await;
        assert_eq!(status, 204);
        assert_eq!(stream.event("@denied").await.data, json!({ "groups": [NOTES] }));
        assert_eq!(watcher.event("presence:leave").await.data["id"], 2);
        let refused = house.try_open_notes(Kind::Sse, &grace).await.err();
        assert_eq!(refused.map(|(status, _)| status), Some(403));
        let (status, ..) = house.ask(Method::PUT, path, &ada, Value::Null).await;
        assert_eq!(status, 204);
    }
}

#[tokio::test]
async fn only_the_owner_decides_who_the_members_are() {
    let house = House::open(HARDLY_EVER).await;
    let (ada, grace) = (house.sign_in("ada").await, house.sign_in("grace").await);
    for (cookie, member, expected) in [(&*grace, 3, 403), ("", 3, 401), (&*ada, 1, 409)] {
        let path = format!("/documents/1/members/{member}");
        let (status, ..) = house.ask(Method::DELETE, &path, cookie, Value::Null).await;
        assert_eq!(status, expected);
    }
    let (status, ..) = house.ask(Method::PUT, "/documents/1/members/5", &ada, Value::Null).await;
    assert_eq!(status, 204, "and a user who does not exist is none");
    let (_, listed, _) = house.ask(Method::GET, "/documents", &grace, Value::Null).await;
    let documents = listed["documents"].as_array().expect("a list").iter();
    let members: Vec<_> = documents.map(|document| &document["members"]).collect();
    assert_eq!(members, [&json!([1, 2, 3, 4]), &json!([1, 2]), &json!([2, 4])]);
}
