//! Tokens of an issuer: `OpenID` Connect, with an issuer of the test's.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use accounts::{OpenId, Settings};
use axum::{Json, Router, routing::get};
use http::Method;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode, get_current_timestamp,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Value, json};
use tests::{Client, Kind, eventually};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use crate::house::{HARDLY_EVER, House, NOTES};

/// An issuer that people sign in with. It stops when it is dropped.
struct Issuer {
    url: String,
    key: EncodingKey,
    /// How often its keys were asked for.
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (key, asked) = (new_key(), Arc::new(AtomicUsize::new(0)));
        let mut published = Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a key");
        published.common.key_id = Some("first".to_owned());
        let (count, keys) = (asked.clone(), JwkSet { keys: vec![published] });
        let configuration = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async || Json(configuration)))
            .route(
                "/keys",
                get(async move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    Json(keys)
                }),
            );
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving does not end");
        });
        Self { url, key, asked, task }
    }

    /// What it says of Grace, and for the application of the tests.
    fn claims(&self) -> Value {
        let exp = get_current_timestamp() + 600;
        json!({ "iss": self.url, "aud": "accounts", "sub": "grace", "exp": exp })
    }

    /// A token that is good for 12 seconds: long enough for a stream to open on a machine that has much
    /// to do.
    fn short_token(&self) -> String {
        let mut claims = self.claims();
        claims["exp"] = json!(get_current_timestamp() + 12);
        sign(&claims, "first", &self.key)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A key for Ed25519: a random number in the form of PKCS #8.
fn new_key() -> EncodingKey {
    let mut key = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ]
    .to_vec();
    key.extend(Uuid::new_v4().as_bytes());
    key.extend(Uuid::new_v4().as_bytes());
    EncodingKey::from_ed_der(&key)
}

fn sign(claims: &Value, kid: &str, key: &EncodingKey) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
    format!("Bearer {}", encode(&header, claims, key).expect("a token"))
}

async fn house(issuer: &str) -> House {
    let issuer = OpenId { issuer: issuer.to_owned(), audience: "accounts".to_owned() };
    let settings = Settings { recheck_every: HARDLY_EVER, ..Settings::default() };
    House::open_with(Settings { issuer: Some(issuer), ..settings }).await
}

/// The status of a refusal.
async fn refused(house: &House, bearer: &str) -> Option<u16> {
    let header = ("authorization", bearer);
    let refused = Client::with_header(&house.server, Kind::Sse, header, NOTES).await.err();
    refused.map(|(status, _)| status)
}

#[tokio::test]
async fn a_token_of_the_issuer_is_good_until_its_end() {
    let issuer = Issuer::start().await;
    let house = house(&issuer.url).await;
    let mut watcher = house.open_notes(Kind::Sse, &house.sign_in("ada").await).await;
    watcher.event("presence:sync").await;
    let bearer = issuer.short_token();
    let header = ("authorization", &*bearer);
    let stream = Client::with_header(&house.server, Kind::WsV1, header, NOTES).await;
    let mut stream = stream.expect("a token that is good");
    assert_eq!(watcher.event("presence:join").await.data["name"], "Grace Hopper");
    stream.event("@expiring").await;
    assert_eq!(stream.close_code().await, Some(1008));
}

#[tokio::test]
async fn a_newer_token_keeps_an_event_stream() {
    let issuer = Issuer::start().await;
    let house = house(&issuer.url).await;
    let old = issuer.short_token();
    let header = ("authorization", &*old);
    let stream = Client::with_header(&house.server, Kind::SseV1, header, NOTES).await;
    let mut stream = stream.expect("a token that is good");
    let conn = stream.token().await;
    stream.event("@expiring").await;
    let newer = sign(&issuer.claims(), "first", &issuer.key);
    let call = json!({ "conn": conn, "n": 1, "groups": [NOTES] });
    let newer = ("authorization", &*newer);
    let (status, ..) = house.ask_with(Method::POST, "/realtime/control", newer, call).await;
    assert_eq!(status, 200);
    eventually("the old token is void", async || refused(&house, &old).await == Some(403)).await;
    // This reads up to a message of now, so the stream has not ended.
    house.told(&mut stream).await;
}

#[tokio::test]
async fn no_other_token_is_good() {
    let issuer = Issuer::start().await;
    let house = house(&issuer.url).await;
    let good = issuer.claims();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(&claims, "first", &issuer.key)
    };
    let wrong = [
        with("aud", json!("another application")),
        with("iss", json!("http://127.0.0.1:1")),
        with("exp", json!(get_current_timestamp() - 1)),
        with("sub", json!("nobody")),
        with("aud", Value::Null),
        sign(&good, "first", &new_key()),
        sign(&good, "second", &issuer.key),
        sign(&good, "third", &issuer.key),
    ];
    for bearer in wrong {
        assert_eq!(refused(&house, &bearer).await, Some(403));
    }
    for good in [sign(&good, "first", &issuer.key), with("exp", json!(u64::MAX))] {
        assert_eq!(refused(&house, &good).await, None);
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "invented keys do not make it ask again");
}

#[tokio::test]
async fn an_issuer_that_is_away_makes_nobody_a_stranger() {
    let issuer = Issuer::start().await;
    let house = house("http://127.0.0.1:1").await;
    let bearer = sign(&issuer.claims(), "first", &issuer.key);
    assert_eq!(refused(&house, &bearer).await, Some(503));
}
