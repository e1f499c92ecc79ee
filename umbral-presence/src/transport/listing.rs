//! The body of `GET members`: the pieces of a snapshot. Each is made when the socket takes it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use crate::{connection::Window, hub::Turn, wire::Pieces};

/// A reader that takes nothing for this time is cut off.
const TAKES_WITHIN: Duration = Duration::from_secs(30);

/// A reader that takes less than this in a second, on average, is cut off too. Otherwise a reader
/// that takes a little now and then would hold its turn for very long.
const PACE: usize = 16 * 1024;

/// An answer that is being written.
pub(super) struct Listing {
    pieces: Pieces,
    window: Arc<Window>,
    deadline: Pin<Box<Sleep>>,
    /// The reader must have taken everything by then.
    end: Instant,
    _turn: Turn,
}

/// The reader is too slow.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not read in time")]
pub(super) struct Stuck;

impl Listing {
    pub(super) fn new(pieces: Pieces, turn: Turn) -> Self {
        let deadline = Box::pin(sleep(TAKES_WITHIN));
        let takes = Duration::from_secs_f64(pieces.bytes() as f64 / PACE as f64);
        let end = deadline.deadline() + takes;
        Self { pieces, window: Arc::default(), deadline, end, _turn: turn }
    }
}

impl Stream for Listing {
    type Item = Result<Bytes, Stuck>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.window.has_room(cx.waker()) && Instant::now() < self.end {
            let deadline = self.end.min(Instant::now() + TAKES_WITHIN);
            self.deadline.as_mut().reset(deadline);
            let piece = self.pieces.next();
            return Poll::Ready(piece.map(|piece| Ok(Window::send(&self.window, piece.bytes))));
        }
        self.deadline.as_mut().poll(cx).map(|()| Some(Err(Stuck)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        hub::Hub,
        limits::Limits,
        name::{GroupName, UserId},
        roster::{Answer, Asked, Member, Payload, Roll},
        spec::{matcher::Matcher, resolver::ResolveContext},
        store::Nodes,
        wire::Snapshot,
    };
    use futures_util::StreamExt;

    /// About 4 MiB.
    fn listing() -> Listing {
        let mut roll = Roll::default();
        let payload = serde_json::value::to_raw_value(&"x".repeat(8000)).unwrap();
        for key in 1..=512 {
            let answer =
                Answer { payload: Payload::Json(payload.clone().into()), asked: Asked::default() };
            roll.insert(Member::new(UserId::new("7").unwrap(), key, answer));
        }
        let snapshot = Arc::new(Snapshot::new(GroupName::new("room:1").unwrap(), 1, roll));
        let (matcher, _) = Matcher::new(Vec::new());
        let hub = Hub::new(matcher, Limits::default(), ResolveContext::default(), Nodes::default());
        let turn = hub.turn(None).unwrap();
        Listing::new(snapshot.listing(), turn)
    }

    /// The time of a reader that pauses before each chunk, and whether it gets everything.
    async fn read(pause: Duration) -> (Duration, bool) {
        let (start, mut listing, mut taken) = (Instant::now(), listing(), Vec::new());
        loop {
            let next = tokio::time::timeout(pause, listing.next()).await;
            match next {
                Ok(Some(Ok(chunk))) => taken.push(chunk),
                Ok(Some(Err(Stuck))) => return (start.elapsed(), false),
                Ok(None) => return (start.elapsed(), true),
                Err(_) => taken.clear(),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_it_by_drops_is_cut_off() {
        let (took, is_whole) = read(Duration::from_secs(1)).await;
        assert!(is_whole, "{took:?}");
        let (took, is_whole) = read(Duration::from_secs(29)).await;
        assert!(!is_whole && took < Duration::from_mins(5), "{took:?}");
        let (took, is_whole) = read(Duration::from_secs(31)).await;
        assert!(!is_whole && took < Duration::from_secs(31), "{took:?}");
    }
}
