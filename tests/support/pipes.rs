//! A server whose sockets are pipes in memory: nothing but timers is waited for, so that a
//! paused clock moves only when everything else stands still.

use std::{io, time::Duration};

use axum::{Router, serve::Listener};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, duplex, split},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{client::IntoClientRequest, handshake::client::Request},
};
use umbral_presence::Realtime;

use crate::server::USER_HEADER;

/// A server that stops when it is dropped.
#[derive(Debug)]
pub struct Pipes {
    connect: UnboundedSender<DuplexStream>,
    task: JoinHandle<()>,
}

impl Pipes {
    /// Serves the routes.
    ///
    /// # Panics
    ///
    /// Where serving fails, in its own task.
    pub fn serve(realtime: &Realtime) -> Self {
        let (connect, incoming) = unbounded_channel();
        let router: Router = realtime.router();
        let task = tokio::spawn(async move {
            axum::serve(Incoming(incoming), router).await.expect("serving does not end");
        });
        Self { connect, task }
    }

    /// A pipe that holds `bytes` in each direction until they are read.
    ///
    /// # Panics
    ///
    /// Where the server is gone.
    pub fn connect(&self, bytes: usize) -> DuplexStream {
        let (ours, theirs) = duplex(bytes);
        self.connect.send(theirs).expect("a server that runs");
        ours
    }

    /// Asks for an event stream, and reads nothing of it.
    ///
    /// # Panics
    ///
    /// Where the server does not take the request.
    pub async fn event_stream(&self, user: &str, query: &str, bytes: usize) -> DuplexStream {
        let mut pipe = self.connect(bytes);
        let request = format!(
            "GET /realtime/sse?{query} HTTP/1.1\r\nhost: here\r\n\
             accept: text/event-stream\r\n{USER_HEADER}: {user}\r\n\r\n"
        );
        pipe.write_all(request.as_bytes()).await.expect("a server that reads");
        pipe
    }

    /// An open WebSocket.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn websocket(&self, user: &str, query: &str) -> WebSocketStream<DuplexStream> {
        Self::upgraded(self.connect(64 * 1024), user, query).await
    }

    /// An open WebSocket that takes so many bytes in a second.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn slow_websocket(
        &self,
        user: &str,
        query: &str,
        bytes_per_second: usize,
    ) -> WebSocketStream<DuplexStream> {
        let (mut from, mut to) = split(self.connect(64 * 1024));
        let (ours, theirs) = duplex(1024);
        let (mut back, mut forth) = split(theirs);
        tokio::spawn(async move { copy(&mut back, &mut to).await });
        tokio::spawn(async move {
            let mut piece = vec![0; bytes_per_second / 4];
            while let Ok(read @ 1..) = from.read(&mut piece).await {
                sleep(Duration::from_millis(250)).await;
                if forth.write_all(&piece[..read]).await.is_err() {
                    break;
                }
            }
        });
        Self::upgraded(ours, user, query).await
    }

    async fn upgraded(
        pipe: DuplexStream,
        user: &str,
        query: &str,
    ) -> WebSocketStream<DuplexStream> {
        let mut request: Request =
            format!("ws://here/realtime/ws?{query}").into_client_request().expect("a URL");
        let user = user.parse().expect("a header's value");
        request.headers_mut().insert(USER_HEADER, user);
        client_async(request, pipe).await.expect("an upgrade").0
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends so much to `room:1`, as fast as the server takes it with a paused clock.
///
/// # Panics
///
/// Where the server does not take a message of 16 KiB.
pub async fn fill(realtime: &Realtime, kibibytes: usize) {
    let text = "x".repeat(16 * 1024);
    for _ in 0..kibibytes / 16 {
        realtime.to_group("room:1").send("chat", &text).await.expect("a valid event");
        // The server takes what it can before the clock moves.
        sleep(Duration::from_millis(1)).await;
    }
}

/// How long it takes, by a paused clock, until nobody is connected and present.
///
/// # Panics
///
/// Where somebody stays for ten minutes.
pub async fn until_gone(realtime: &Realtime) -> Duration {
    let start = Instant::now();
    while realtime.health().users + realtime.health().connections > 0 {
        assert!(start.elapsed() < Duration::from_secs(600), "never");
        sleep(Duration::from_millis(25)).await;
    }
    start.elapsed()
}

struct Incoming(UnboundedReceiver<DuplexStream>);

impl Listener for Incoming {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
