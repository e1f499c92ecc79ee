//! What a long head of a request makes the server hold.
#![allow(clippy::print_stdout)]

use std::{fs::read_to_string, net::SocketAddr, time::Duration};

use serde_json::Value;
use tests::{Body, Server, USER_HEADER, read_head, settled};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

const STREAMS: usize = 100;

/// About the longest head that hyper takes.
const LONGEST: usize = 380 * 1024;

/// More than any page has, and less than `Limits::head_bytes`.
const LONG: usize = 60 * 1024;

/// The memory of this process, in bytes. The clients hold next to nothing.
fn memory() -> usize {
    let status = read_to_string("/proc/self/status").expect("a system with /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// Sends a request with so many bytes of headers; gives the status and the body.
async fn ask(address: SocketAddr, user: usize, cookie: &str, padding: &str) -> (u16, Body) {
    let mut socket = TcpStream::connect(address).await.expect("a server");
    let head = format!(
        "GET /realtime/sse?groups=room:1 HTTP/1.1\r\nhost: here\r\naccept: text/event-stream\r\n\
         cookie: {cookie}\r\n{USER_HEADER}: {user}\r\nx-padding: {padding}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.expect("a server that reads");
    let (head, body) = settled("an answer", read_head(socket)).await.expect("an answer");
    (head.status, body)
}

/// What each of many clients with such a head makes the server hold, and their sockets.
async fn fill(address: SocketAddr, length: usize, status: u16) -> (usize, Vec<Body>) {
    let padding = "x".repeat(length);
    // What is allocated once.
    let mut sockets = vec![ask(address, 0, "", &padding).await.1];
    let before = memory();
    for user in 1..STREAMS {
        let (answered, body) = ask(address, user, "", &padding).await;
        assert_eq!(answered, status);
        sockets.push(body);
    }
    (memory().saturating_sub(before) / (STREAMS - 1), sockets)
}

/// One after the other, since the memory is that of the whole process.
#[tokio::test]
async fn a_long_head_is_refused_and_what_says_who_asks_is_kept() {
    let every = Duration::from_secs(1);
    let plugin = Server::plugin().recheck_every(every).recheck_headers([USER_HEADER]);
    let server = Server::start(plugin).await;

    let (each, mut refused) = fill(server.address, LONGEST, 431).await;
    println!("a client with a head of 380 KiB is held {} KiB for", each / 1024);
    assert!(each < 64 * 1024, "{each} bytes each");
    for body in &mut refused {
        let error = settled("the refusal", body.read_to_end()).await.expect("a body");
        let error: Value = serde_json::from_slice(&error).expect("JSON");
        assert_eq!(error["error"]["code"], "long_head");
        assert_eq!(error["error"]["limit"], 64 * 1024);
    }

    let (each, streams) = fill(server.address, LONG, 200).await;
    println!("a stream with a head of 60 KiB is held {} KiB for", each / 1024);
    assert!(each < 256 * 1024, "{each} bytes each");
    // Of the rest of a head enough has been kept to know its user again.
    sleep(2 * every).await;
    assert_eq!(server.realtime.health().connections, STREAMS);
    drop((refused, streams));

    // What is kept has a bound of its own.
    let (status, mut body) = ask(server.address, 7, &"x".repeat(20 * 1024), "").await;
    let error = settled("the refusal", body.read_to_end()).await.expect("a body");
    let error: Value = serde_json::from_slice(&error).expect("JSON");
    assert_eq!((status, &error["error"]["limit"]), (431, &(16 * 1024).into()), "{error}");
}
