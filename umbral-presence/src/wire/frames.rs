//! Frames: encoded once, and shared by everybody they go to.

use std::{cell::OnceCell, fmt, sync::Arc};

use bytes::Bytes;

/// What begins a frame of an event stream.
pub(super) const SSE_HEAD: &[u8] = b"event: u\ndata: ";

/// What ends it.
pub(super) const SSE_TAIL: &[u8] = b"\n\n";

/// In which form a connection gets its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) transport: Transport,
    /// `v=1`: the changes of a tick as one `presence:diff`, and `@hello` first.
    pub(crate) v1: bool,
}

impl Dialect {
    /// Whether the client may be no more than an `EventSource`.
    pub(crate) fn is_plain_sse(self) -> bool {
        self.transport == Transport::Sse && !self.v1
    }
}

/// What carries the frames of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Sse,
    WebSocket,
}

impl Transport {
    /// As spans and figures name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// What is queued for a connection at once, shared by everybody it goes to. Each of its
/// bytes is written as it is: a chunk of an event stream, or the text of one WebSocket
/// message. An event stream always gets one chunk.
#[derive(Clone)]
pub(crate) struct Frames(Arc<[Bytes]>);

impl Frames {
    /// How many bytes they have together.
    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter()
    }
}

/// What is sent is the users', and never reaches a log.
impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frames({} bytes)", self.bytes())
    }
}

impl From<Bytes> for Frames {
    fn from(bytes: Bytes) -> Self {
        Self(Arc::new([bytes]))
    }
}

impl FromIterator<Bytes> for Frames {
    fn from_iter<I: IntoIterator<Item = Bytes>>(bytes: I) -> Self {
        Self(bytes.into_iter().collect())
    }
}

/// One thing to be sent, encoded at most once per dialect and only in those in use.
#[derive(Debug, Default)]
pub(crate) struct Encoded([OnceCell<Frames>; 4]);

impl Encoded {
    pub(crate) fn get(&self, dialect: Dialect, encode: impl FnOnce(Dialect) -> Frames) -> &Frames {
        let transport = match dialect.transport {
            Transport::Sse => 0,
            Transport::WebSocket => 2,
        };
        self.0[transport + usize::from(dialect.v1)].get_or_init(|| encode(dialect))
    }
}
