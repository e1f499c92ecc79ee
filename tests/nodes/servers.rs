//! Kinds of servers: over TLS, with users of their own, and behind sentinels.

use std::{path::Path, process::Command, time::Duration};

use tests::{Kind, Store, eventually};

use crate::{observer::two, process::Node};

const ROOM: &str = "room:1";

/// One on each node sees the other.
async fn they_see_each_other(nodes: &[Node; 2]) {
    two([&nodes[0], &nodes[1]], ROOM).await;
}

/// A certificate for this machine, which is its own authority.
fn certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(folder)
        .output();
    let made = made.expect("openssl, which tests/run installs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls() {
    let folder = std::env::temp_dir().join(format!("umbral-tls-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).expect("a new folder");
    certificate(&folder);
    let certificate = folder.join("cert.pem");
    let store = Store::over_tls(&folder).await;
    let url = store.url();
    let trusts = [("SSL_CERT_FILE", certificate.as_path())];
    let nodes = [
        Node::start_with(&[&url, "0"], &trusts).await,
        Node::start_with(&[&url, "0"], &trusts).await,
    ];
    they_see_each_other(&nodes).await;
    let stranger = Node::start(&url, 0).await;
    stranger.is_alone(true).await;
    let degraded = stranger.degraded().await.to_string();
    assert!(degraded.contains("certificate"), "{degraded}");
    // This program once more, which trusts the certificate.
    let core = tokio::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["on_one_server", "--test-threads", "4"])
        .env("SSL_CERT_FILE", &certificate)
        .env("STORE_TLS", &folder)
        .output();
    let core = core.await.expect("this program");
    let said = String::from_utf8_lossy(&core.stdout);
    assert!(core.status.success() && !said.contains("running 0 tests"), "{said}");
    std::fs::remove_dir_all(&folder).expect("a folder of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_user_that_may_use_the_prefix_and_nothing_else() {
    let store = Store::start().await;
    let may = [">secret", "~umbral:*", "~{umbral:*", "&umbral:*", "&{umbral:*"];
    let commands = ["+@read", "+@write", "+@hash", "+@scripting", "+@pubsub", "+@connection"];
    let rights: Vec<_> = ["ACL", "SETUSER", "presence", "on"]
        .into_iter()
        .chain(may)
        .chain(commands)
        .chain(["-@dangerous", "+info", "+time"])
        .collect();
    assert!(store.ask(&rights).await.contains("OK"));
    let url = store.url().replace("redis://", "redis://presence:secret@");
    they_see_each_other(&[Node::start(&url, 0).await, Node::start(&url, 0).await]).await;
    let stranger = Node::start(&url.replace("secret", "wr0ng"), 0).await;
    stranger.is_alone(true).await;
    let degraded = stranger.degraded().await.to_string();
    assert!(!degraded.contains("wr0ng") && degraded.contains("WRONGPASS"), "{degraded}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_sentinels_is_seen_by_nobody() {
    let mut master = Store::start().await;
    let port = master.address().port().to_string();
    let replica = Store::start_with(&["--replicaof", "127.0.0.1", &port]).await;
    let sentinel = master.sentinel().await;
    eventually("the sentinel knows the replica", || async {
        sentinel.ask(&["SENTINEL", "REPLICAS", "mymaster"]).await.contains("127.0.0.1")
    })
    .await;
    let at = sentinel.address().to_string();
    let arguments = ["redis://mymaster", "0", &at];
    let nodes = [Node::start_with(&arguments, &[]).await, Node::start_with(&arguments, &[]).await];
    let (observers, _users) = two([&nodes[0], &nodes[1]], ROOM).await;
    master.kill().await;
    for node in &nodes {
        node.is_alone(true).await;
    }
    eventually("the replica is the master", || async {
        replica.ask(&["ROLE"]).await.contains("master")
    })
    .await;
    let late = nodes[0].open(Kind::Sse, Some("late"), ROOM).await;
    for (observer, node) in observers.iter().zip(&nodes) {
        observer.shows(&["late", "one", "other"]).await;
        node.is_alone(false).await;
        assert_eq!(observer.leaves("one") + observer.leaves("other"), 0);
    }
    drop(late);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for observer in &observers {
        observer.shows(&["one", "other"]).await;
    }
}
