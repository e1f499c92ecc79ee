//! What is sent over an open WebSocket.

use serde_json::{Value, json};
use tests::{Client, Kind, Server};
use tokio::io::AsyncWriteExt;

/// What is sent over an open WebSocket, and what comes of it.
pub(super) struct Intrusion {
    what: &'static str,
    sent: Vec<u8>,
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    /// The connection is closed with this code.
    Close(u16),
    /// A frame says what is wrong, and the connection goes on.
    Refused(&'static str),
    Denied,
}

/// A frame of a client, masked with zeros. `first` has the end mark, the reserved bits and
/// the opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | u8::try_from(short).expect("short")),
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

fn operation(op: &str, groups: &Value) -> Vec<u8> {
    text(&json!({ "op": op, "groups": groups }).to_string())
}

pub(super) fn intrusions() -> Vec<Intrusion> {
    let many: Vec<String> = (0..101).map(|n| format!("g{n}")).collect();
    let fragments = |first: &[u8], count: usize| {
        let start = frame(0x01, first);
        let more = std::iter::repeat_n(frame(0x00, &[b'x'; 30_000]), count).flatten();
        start.into_iter().chain(more).chain(frame(0x80, b"")).collect::<Vec<u8>>()
    };
    let flood = std::iter::repeat_n(text("hello"), 60).flatten().collect::<Vec<u8>>();
    let table = [
        ("a frame without a mask", b"\x81\x05hello".to_vec(), Answer::Close(1002)),
        ("the first reserved bit", frame(0xc1, b"x"), Answer::Close(1002)),
        ("the second reserved bit", frame(0xa1, b"x"), Answer::Close(1002)),
        ("the third reserved bit", frame(0x91, b"x"), Answer::Close(1002)),
        ("an opcode of data that is none", frame(0x83, b"x"), Answer::Close(1002)),
        ("an opcode of control that is none", frame(0x8b, b"x"), Answer::Close(1002)),
        ("a ping in fragments", frame(0x09, b"x"), Answer::Close(1002)),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), Answer::Close(1002)),
        ("a close of one byte", frame(0x88, b"x"), Answer::Close(1002)),
        ("a close with a reserved code", frame(0x88, &1005_u16.to_be_bytes()), Answer::Close(1002)),
        ("a continuation of nothing", frame(0x80, b"x"), Answer::Close(1002)),
        ("a text inside another one", [frame(0x01, b"x"), text("y")].concat(), Answer::Close(1002)),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: here\r\n\r\n".to_vec(), Answer::Close(1002)),
        ("no UTF-8", frame(0x81, b"\xff\xfe"), Answer::Close(1007)),
        ("no UTF-8 in a fragment", fragments(b"\xc0\xaf", 0), Answer::Close(1007)),
        ("half a character", frame(0x81, b"\xc3"), Answer::Close(1007)),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), Answer::Close(1007)),
        ("a long message", frame(0x81, &[b'x'; 65_537]), Answer::Close(1009)),
        ("a long message in fragments", fragments(b"x", 3), Answer::Close(1009)),
        ("a long binary message", frame(0x82, &[0; 65_537]), Answer::Close(1009)),
        (
            "a length of 2^62",
            [&[0x81, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat(),
            Answer::Close(1009),
        ),
        (
            "a length of 2^64-1",
            [&[0x81, 0xff][..], &[0xff; 8], &[0; 4]].concat(),
            Answer::Close(1009),
        ),
        ("a join of a bad name", operation("join", &json!(["a b"])), Answer::Refused("bad_group")),
        (
            "a join of a reserved name",
            operation("join", &json!(["@user:7"])),
            Answer::Refused("bad_group"),
        ),
        (
            "a join of a long name",
            operation("join", &json!(["x".repeat(60_000)])),
            Answer::Refused("bad_group"),
        ),
        (
            "a join of 101 groups",
            operation("join", &json!(many)),
            Answer::Refused("too_many_groups"),
        ),
        (
            "a join of 100 more",
            operation("join", &json!(many[1..])),
            Answer::Refused("too_many_groups"),
        ),
        ("a leave of a bad name", operation("leave", &json!([""])), Answer::Refused("bad_group")),
        (
            "a sync of 101 groups",
            operation("sync", &json!(many)),
            Answer::Refused("too_many_groups"),
        ),
        ("a denied group", operation("join", &json!(["room:private"])), Answer::Denied),
        ("a flood", flood, Answer::Refused("too_fast")),
    ];
    table.into_iter().map(|(what, sent, answer)| Intrusion { what, sent, answer }).collect()
}

impl Intrusion {
    pub(super) async fn run(&self, server: &Server) {
        let mut client = Client::open(server, Kind::Ws, Some("7"), "room:1").await;
        // It may have enough before the last byte.
        let _ = client.socket().write_all(&self.sent).await;
        match self.answer {
            Answer::Close(code) => {
                assert_eq!(client.close_code().await, Some(code), "{}", self.what);
            }
            Answer::Refused(code) => {
                let refused = client.expect(self.what, |frame| frame.event == "@refused").await;
                assert_eq!(refused.data["error"]["code"], code, "{}", self.what);
            }
            Answer::Denied => {
                let denied = client.expect(self.what, |frame| frame.event == "@denied").await;
                assert_eq!(denied.data, json!({ "groups": ["room:private"] }), "{}", self.what);
            }
        }
    }
}

/// Texts that are nobody's business are taken for what they are: messages of the
/// application, which has no handler here.
pub(super) async fn texts_without_a_meaning_change_nothing(server: &Server) {
    let mut client = Client::open(server, Kind::Ws, Some("7"), "room:1").await;
    for sent in [
        "{\"op\":\"jump\",\"groups\":[]}".to_owned(),
        "{\"op\":\"join\",\"groups\":\"room:2\"}".to_owned(),
        "{\"op\":\"join\"}".to_owned(),
        "{\"op\":\"join\",\"groups\":[7]}".to_owned(),
        "[".repeat(60_000),
        "null".to_owned(),
        String::new(),
    ] {
        client.socket().write_all(&text(&sent)).await.expect("an open connection");
    }
    client.socket().write_all(&frame(0x82, &[0; 1000])).await.expect("an open connection");
    client.socket().write_all(&operation("join", &json!(["room:3"]))).await.expect("a connection");
    let joined = client.expect("the operation behind them", |frame| frame.event == "@joined").await;
    assert_eq!(joined.data, json!({ "groups": ["room:3"] }));
    client.close(1000).await;
}
