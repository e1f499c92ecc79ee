//! The body of `GET members`: the pieces of a snapshot, made as the socket takes them.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

use crate::{snapshot::Pieces, window::Window};

/// A reader that takes nothing for so long is cut off.
const TAKES_WITHIN: Duration = Duration::from_secs(30);

/// An answer that is being written.
pub(super) struct Listing {
    pieces: Pieces,
    window: Arc<Window>,
    deadline: Pin<Box<Sleep>>,
    /// As many answers as connections may be under way.
    _turn: OwnedSemaphorePermit,
}

/// The reader takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("nothing was read for {TAKES_WITHIN:?}")]
pub(super) struct Stuck;

impl Listing {
    pub(super) fn new(pieces: Pieces, turn: OwnedSemaphorePermit) -> Self {
        let deadline = Box::pin(sleep(TAKES_WITHIN));
        Self { pieces, window: Arc::default(), deadline, _turn: turn }
    }
}

impl Stream for Listing {
    type Item = Result<Bytes, Stuck>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.window.has_room(cx.waker()) {
            self.deadline.as_mut().reset(Instant::now() + TAKES_WITHIN);
            let piece = self.pieces.next();
            return Poll::Ready(piece.map(|piece| Ok(self.window.send(piece.bytes))));
        }
        self.deadline.as_mut().poll(cx).map(|()| Some(Err(Stuck)))
    }
}
