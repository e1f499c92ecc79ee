//! Which spec owns a group is found out once, when the group comes to be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tests::{Client, Kind, Server, eventually};
use umbral_presence::PresenceSpec;

#[tokio::test]
async fn a_predicate_is_asked_once_per_group_and_not_per_join() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let spec = PresenceSpec::matching(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        true
    });
    let server = Server::start(Server::plugin().with_presence(spec.grace(Duration::ZERO))).await;
    let mut clients = Vec::new();
    for user in ["1", "2", "3", "1"] {
        for kind in Kind::ALL {
            let mut client = Client::open(&server, kind, Some(user), "room:1").await;
            client.event("presence:sync").await;
            clients.push(client);
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    clients.truncate(1);
    eventually("the others have left", || async {
        server.presence().count("room:1").await.expect("a valid name") == 1
    })
    .await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    let mut other = Client::open(&server, Kind::Sse, Some("1"), "room:1,room:2").await;
    other.event("presence:sync").await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
