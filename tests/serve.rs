//! A server as a process of its own, so that its memory is its own. It says where it
//! listens, then does what each line of its input says, and ends with it:
//!
//! - `counts`: says what has happened so far, as JSON;
//! - `health`: says what is held at the moment, as JSON;
//! - `disconnect`: sends the user `attacker` away, and says how many microseconds of a processor
//!   that took;
//! - `mark`: sends the message `mark` to the room behind all that has happened.
//!
//! Its argument is the limit of an outbox in bytes.
#![allow(clippy::print_stdout)]

use std::{io::BufRead, time::Duration};

use tests::Server;
use tokio::{net::TcpSocket, runtime::Handle};
use umbral_presence::{Limits, MessageContext, MessageHandler, PresenceSpec, RealtimePlugin};

const ROOM: &str = "room:1";

/// About what a connection gets on an ordinary network. On loopback, where segments are as
/// long as 64 KiB, the kernel would hold megabytes of what is not read.
const SEND_BUFFER: u32 = 64 * 1024;

#[tokio::main]
async fn main() {
    let outbox = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let outbox_bytes = outbox.expect("the limit of an outbox in bytes");
    let limits = Limits { outbox_bytes, ..Limits::default() };
    let rooms = PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO).resolver(profile);
    let large = PresenceSpec::prefixes(["large:"]).grace(Duration::ZERO).resolver(novel);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(SEND_BUFFER).expect("a socket option that is there");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let listener = socket.listen(1024).expect("a port");
    // With the usual grace.
    let lasting = PresenceSpec::prefixes(["lasting:"]);
    // Whoever has been there stays.
    let full = PresenceSpec::prefixes(["full:"]).grace(Duration::from_mins(5)).resolver(novel);
    let specs = [rooms, large, lasting, full];
    let plugin = specs.into_iter().fold(Server::plugin(), RealtimePlugin::with_presence);
    let plugin = plugin.limits(limits);
    let server = Server::start_on(listener, plugin.message_handler(Endless));
    println!("{}", server.address);
    let runtime = Handle::current();
    let obey = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.as_str() {
                "counts" => {
                    let counts = serde_json::to_string(&server.realtime.counts());
                    println!("{}", counts.expect("numbers"));
                }
                "health" => {
                    let health = serde_json::to_string(&server.realtime.health());
                    println!("{}", health.expect("numbers"));
                }
                "disconnect" => {
                    let before = tests::on_processor();
                    drop(server.realtime.disconnect_user("attacker"));
                    println!("{}", (tests::on_processor() - before).as_micros());
                }
                "mark" => {
                    drop(server.presence().watch(ROOM).expect("a valid name"));
                    let sent = server.realtime.to_group(ROOM).send("mark", &1);
                    runtime.block_on(sent).expect("a valid name");
                    println!("{{}}");
                }
                other => panic!("{other:?} is no order"),
            }
        }
    });
    obey.await.expect("orders that can be carried out");
}

/// Handles the message `endless` for ever.
struct Endless;

impl MessageHandler for Endless {
    async fn on_message(&self, _: &MessageContext, text: &str) {
        if text == "endless" {
            std::future::pending::<()>().await;
        }
    }
}

/// As much as a name and a picture's address take.
fn profile(id: &str) -> serde_json::Value {
    serde_json::json!({ "id": id, "about": "x".repeat(200) })
}

/// About as much as may be said of a member: 128 of them are a snapshot of 1 MiB.
fn novel(id: &str) -> serde_json::Value {
    serde_json::json!({ "id": id, "about": "x".repeat(8 * 1024 - 64) })
}
