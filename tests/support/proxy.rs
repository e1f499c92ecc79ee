//! What stands between browsers and servers, and does not always say what has happened.

use std::{io, net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What a proxy does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Hands it on.
    Forward,
    /// Takes it and hands nothing on, the end of a connection included.
    Swallow,
    /// Hands on what clients say, and takes what servers answer.
    SwallowAnswers,
    /// Takes nothing more, and keeps the sockets.
    Deaf,
}

/// A TCP proxy that stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Forwards connections to `target`.
    ///
    /// # Panics
    ///
    /// Where loopback is not there.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("an address");
        let target = Arc::new(Mutex::new(target));
        let (mode, modes) = watch::channel(Mode::Forward);
        let task = tokio::spawn(accept(listener, target.clone(), modes));
        Self { address, target, mode, task }
    }

    /// Connections that come from now on go to another server.
    pub fn redirect(&self, target: SocketAddr) {
        *self.target.lock() = target;
    }

    /// From now on does this with all its connections.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<Mutex<SocketAddr>>,
    modes: watch::Receiver<Mode>,
) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (target, modes) = (*target.lock(), modes.clone());
        connections.spawn(async move {
            // A server that is gone refuses, and the client finds its connection closed.
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let _ = tokio::join!(
                forward(from_client, to_server, modes.clone(), Way::Asked),
                forward(from_server, to_client, modes, Way::Answered),
            );
        });
        while connections.try_join_next().is_some() {}
    }
}

/// From which side something comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Asked,
    Answered,
}

impl Way {
    /// What is done with what comes this way.
    fn mode(self, mode: Mode) -> Mode {
        match mode {
            Mode::SwallowAnswers if self == Self::Asked => Mode::Forward,
            mode => mode,
        }
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    way: Way,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mode = way.mode(*modes.borrow_and_update());
        let read = tokio::select! {
            read = from.read(&mut buffer), if mode != Mode::Deaf => read?,
            changed = modes.changed() => {
                changed.map_err(io::Error::other)?;
                continue;
            }
        };
        // It may have changed while nothing came.
        let mode = way.mode(*modes.borrow());
        match mode {
            Mode::Forward if read == 0 => return to.shutdown().await,
            Mode::Forward => to.write_all(&buffer[..read]).await?,
            // The end of a connection is not handed on either.
            _ if read == 0 => std::future::pending().await,
            Mode::Swallow | Mode::SwallowAnswers | Mode::Deaf => {}
        }
    }
}
