//! A database that does not answer for a while.

use tests::{Kind, eventually};
use tokio::time::sleep;

use crate::house::{House, NOTES, OFTEN};

/// What is asked of the database: whose a session is, who the user is, who may open a document.
const TABLES: [(&str, &str); 3] = [
    ("alter table tower_sessions rename to gone", "alter table gone rename to tower_sessions"),
    ("alter table users rename to gone", "alter table gone rename to users"),
    ("alter table members rename to gone", "alter table gone rename to members"),
];

#[tokio::test]
async fn a_database_that_fails_sends_nobody_out_and_lets_nobody_in() {
    let house = House::open(OFTEN).await;
    let (ada, grace) = (house.sign_in("ada").await, house.sign_in("grace").await);
    let mut watcher = house.open_notes(Kind::Sse, &grace).await;
    let mut streams = Vec::new();
    for kind in Kind::ALL {
        streams.push(house.open_notes(kind, &ada).await);
    }
    eventually("both are there", async || house.server.presence().count(NOTES).await == Ok(2))
        .await;
    house.told(&mut watcher).await;

    for (away, back) in TABLES {
        house.execute(away).await;
        // In each of these pauses everybody is asked about again, without an answer.
        for kind in Kind::ALL.into_iter().cycle().take(10) {
            let refused = house.try_open_notes(kind, &ada).await.err();
            assert_eq!(refused.map(|(status, _)| status), Some(503), "{away}");
            sleep(OFTEN).await;
        }
        house.execute(back).await;
        assert_eq!(house.server.realtime.health().connections, 5, "{away}");
        assert_eq!(house.told(&mut watcher).await, [], "{away}");
        drop(house.open_notes(Kind::Sse, &ada).await);
    }
    for stream in &mut streams {
        house.told(stream).await;
    }
}
