//! A loop of writes: what it costs the machine to tell everybody of a change, without a
//! server's tasks. One thread accepts a connection after the other, answers with the bytes
//! that umbral-presence would, and writes a change to all where a user has come.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use super::listen;
use crate::Failure;

/// The head that axum gives an event stream.
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    content-type: text/event-stream\r\n\
    cache-control: no-cache, no-transform\r\n\
    x-accel-buffering: no\r\n\
    transfer-encoding: chunked\r\n\
    date: Thu, 26 Nov 2026 00:00:00 GMT\r\n\r\n";

pub(super) fn serve() -> Result<(), Failure> {
    let listener = listen()?.into_std()?;
    listener.set_nonblocking(false)?;
    let (mut sockets, mut users) = (Vec::<TcpStream>::new(), Vec::new());
    loop {
        let (mut socket, _) = listener.accept()?;
        let (room, user) = request(&socket)?;
        if let Some(user) = user {
            users.push(user);
            let version = users.len();
            let change = format!(
                r#"{{"c":"{room}","e":"presence:diff","d":[["+",{version},{{"id":"{}"}}]],"v":{version}}}"#,
                users[version - 1],
            );
            let chunk = chunk(&change);
            for socket in &mut sockets {
                socket.write_all(&chunk)?;
            }
        }
        let payloads: Vec<_> = users.iter().map(|user| format!(r#"{{"id":"{user}"}}"#)).collect();
        let keys: Vec<_> = (1..=users.len()).map(|key| key.to_string()).collect();
        let snapshot = format!(
            r#"{{"c":"{room}","e":"presence:sync","d":[{}],"v":{},"k":[{}]}}"#,
            payloads.join(","),
            users.len(),
            keys.join(","),
        );
        socket.write_all(&[HEAD.as_bytes(), &chunk(&snapshot)].concat())?;
        sockets.push(socket);
    }
}

/// The room that is asked for, and by whom.
fn request(socket: &TcpStream) -> Result<(String, Option<String>), Failure> {
    let (mut room, mut user) = (String::new(), None);
    for line in BufReader::new(socket).lines() {
        let line = line?;
        if let Some((_, rest)) = line.split_once("?groups=") {
            room = rest.split('&').next().unwrap_or_default().to_owned();
        }
        if let Some(id) = line.strip_prefix("x-user: ") {
            user = Some(id.to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    Ok((room, user))
}

fn chunk(data: &str) -> Vec<u8> {
    let event = format!("event: u\ndata: {data}\n\n");
    format!("{:X}\r\n{event}\r\n", event.len()).into_bytes()
}
