//! One node of several, as a process of its own. Its arguments are the address of the store, the
//! grace in milliseconds, and the addresses of sentinels. It says where it listens, serves rooms, tells its `/health`, and drains
//! when it is asked to end (SIGTERM).
#![allow(clippy::print_stdout)]

use std::{env, time::Duration};

use axum::{Json, Router, routing::get};
use tests::Server;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use umbral_presence::{Limits, PresenceSpec, RedisStore};

#[tokio::main]
async fn main() {
    let mut arguments = env::args().skip(1);
    let store = arguments.next().expect("the address of the store");
    let grace = arguments.next().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let rooms = PresenceSpec::prefixes(["room:"]).grace(grace.expect("the grace"));
    let store = RedisStore::at(store).sentinels(arguments);
    // All clients of a test come from one address, and some are one user in many tabs.
    let limits =
        Limits { drain_window: Duration::from_secs(3), opens_per_user: 1000, ..Limits::default() };
    let plugin = Server::plugin().with_presence(rooms).limits(limits).redis(store);
    let realtime = plugin.build().expect("a plugin that can be built");
    let health = {
        let realtime = realtime.clone();
        async move || Json(realtime.health())
    };
    let router = Router::new().route("/health", get(health)).merge(realtime.router());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    println!("{}", listener.local_addr().expect("an address"));
    let mut terminated = signal(SignalKind::terminate()).expect("a system with signals");
    let drained = async {
        terminated.recv().await;
        realtime.drain().await;
    };
    tokio::select! {
        served = axum::serve(listener, router) => served.expect("serving does not end"),
        () = drained => {}
    }
}
