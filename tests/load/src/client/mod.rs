//! One connection of the load, as cheap as one that folds its roster can be.
//!
//! Its task alone writes what the connection has seen, under the lock of [`Client::seen`];
//! the scenario reads it. The task ends with the client, and closes the socket.

mod chunked;
mod events;
mod frames;
mod request;
mod roster;
mod stream;
mod wire;

use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::Instant,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::Semaphore,
    task::JoinHandle,
};

pub(crate) use self::{roster::Change, stream::Stream};
use crate::arrivals::Part;

/// So much is read at once, by whichever connection has something to read.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Sse,
    WebSocket,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sse => "SSE",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// The name of a room, which says how its server keeps those who break off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Without a grace.
    Plain(u32),
    /// With the usual one.
    Lasting(u32),
}

impl Room {
    pub(crate) fn number(self) -> u32 {
        let (Self::Plain(number) | Self::Lasting(number)) = self;
        number
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(number) => write!(f, "room:{number}"),
            Self::Lasting(number) => write!(f, "lasting:{number}"),
        }
    }
}

/// Who connects, how, and where to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    /// Without a user it watches.
    pub(crate) user: Option<u32>,
    pub(crate) room: Room,
    pub(crate) transport: Transport,
}

/// What a connection needs beside its visitor.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) host: SocketAddr,
    /// How many may be opening at once; a permit each until the answer has begun.
    pub(crate) openings: Arc<Semaphore>,
    pub(crate) part: Part,
    /// Whether the wire has versions and keys.
    pub(crate) is_versioned: bool,
    /// Whether it asks without `v=1`.
    pub(crate) is_plain: bool,
}

/// What a connection has seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) stream: Stream,
    pub(crate) bytes: u64,
    /// When the last of them came.
    pub(crate) last: Option<Instant>,
    /// Why the connection is over, unless the scenario has ended it.
    pub(crate) fault: Option<String>,
}

/// A connection, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) visitor: Visitor,
    pub(crate) host: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Client {
    /// Opens a connection on what `connect` gives.
    pub(crate) fn open<IO, C>(visitor: Visitor, around: Surroundings, connect: C) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
        C: Future<Output = io::Result<IO>> + Send + 'static,
    {
        let (host, stream) = (around.host, Stream::new(&visitor, around.is_versioned));
        let seen = Seen { stream, bytes: 0, last: None, fault: None };
        let seen = Arc::new(Mutex::new(seen));
        let task = {
            let seen = seen.clone();
            tokio::spawn(async move {
                let end = match live(&visitor, &around, &seen, connect).await {
                    Ok(()) => "the server has ended it".to_owned(),
                    Err(error) => error.to_string(),
                };
                seen.lock().fault.get_or_insert(end);
            })
        };
        Self { visitor, host, seen, task }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live<IO: AsyncRead + AsyncWrite + Unpin>(
    visitor: &Visitor,
    around: &Surroundings,
    seen: &Mutex<Seen>,
    connect: impl Future<Output = io::Result<IO>>,
) -> io::Result<()> {
    let mut permit = Some(around.openings.acquire().await.map_err(io::Error::other)?);
    let mut io = connect.await?;
    around.part.asks(visitor.user);
    io.write_all(request::head(visitor, around).as_bytes()).await?;
    let mut answer = Vec::new();
    while read(&mut io, seen, &around.part, &mut answer).await? {
        permit = None;
        if !answer.is_empty() {
            io.write_all(&answer).await?;
            answer.clear();
        }
    }
    drop(permit);
    Ok(())
}

/// Takes in what there is to read. Gives whether more may come.
async fn read<IO: AsyncRead + Unpin>(
    io: &mut IO,
    seen: &Mutex<Seen>,
    part: &Part,
    answer: &mut Vec<u8>,
) -> io::Result<bool> {
    poll_fn(|cx| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
            let (bytes, now) = (buffer.filled(), Instant::now());
            let mut seen = seen.lock();
            let taken = seen.stream.take(bytes, answer, |change| part.sees(change, now));
            taken.map_err(io::Error::other)?;
            seen.bytes += bytes.len() as u64;
            if !bytes.is_empty() {
                seen.last = Some(now);
            }
            Poll::Ready(Ok(!bytes.is_empty() && !seen.stream.has_ended()))
        })
    })
    .await
}
