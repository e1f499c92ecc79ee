//! What waits to be written to one connection.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;

/// One connection's bounded queue of encoded frames, with one reader.
///
/// Snapshots are not counted against the bound: their bytes are shared by everybody who
/// waits for them, and there is at most one per group. Everything else is; a reader that
/// falls behind by more than the bound is closed. It loses no truth: when it is back it
/// begins with a snapshot.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Locked under a group's lock; nothing is locked under it.
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Frame>,
    /// The bytes in `queue` that count.
    bytes: usize,
    end: Option<End>,
    /// The reader, where it waits.
    reader: Option<Waker>,
}

#[derive(Debug)]
struct Frame {
    bytes: Bytes,
    counts: bool,
}

/// Why a connection ends from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It fell behind by more than its outbox holds.
    Overflow,
    /// The application has sent the user away.
    Disconnected,
    /// Another identity than the connection's has shown its token.
    IdentityChanged,
    /// The server is going down.
    Draining,
}

impl Outbox {
    /// An empty outbox that holds up to `limit` bytes of frames.
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), limit }
    }

    /// Queues frames.
    pub(crate) fn push(&self, frames: &[Bytes]) {
        self.queue(frames, true);
    }

    /// Queues a snapshot, which is not counted.
    pub(crate) fn push_snapshot(&self, frames: &[Bytes]) {
        self.queue(frames, false);
    }

    fn queue(&self, frames: &[Bytes], counts: bool) {
        let mut state = self.state.lock();
        if state.end.is_some() {
            return;
        }
        for bytes in frames {
            state.bytes += if counts { bytes.len() } else { 0 };
            state.queue.push_back(Frame { bytes: bytes.clone(), counts });
        }
        if state.bytes > self.limit {
            state.queue = VecDeque::new();
            state.end = Some(End::Overflow);
        }
        state.wake();
    }

    /// Ends the connection once what is queued has been written.
    pub(crate) fn close(&self, end: End) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        state.wake();
    }

    /// The next frame, or why there will be none.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        let mut state = self.state.lock();
        if let Some(frame) = state.queue.pop_front() {
            state.bytes -= if frame.counts { frame.bytes.len() } else { 0 };
            if state.queue.is_empty() {
                // An idle connection keeps no buffer.
                state.queue = VecDeque::new();
            }
            return Poll::Ready(Ok(frame.bytes));
        }
        if let Some(end) = state.end {
            return Poll::Ready(Err(end));
        }
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn next(outbox: &Outbox) -> Result<Bytes, End> {
        poll_fn(|cx| outbox.poll_next(cx)).await
    }

    fn frame(text: &'static str) -> [Bytes; 1] {
        [Bytes::from_static(text.as_bytes())]
    }

    #[tokio::test]
    async fn what_was_queued_is_read_before_the_end() {
        let outbox = Outbox::new(10);
        outbox.push(&frame("a"));
        outbox.close(End::Disconnected);
        outbox.push(&frame("late"));
        assert_eq!(next(&outbox).await, Ok("a".into()));
        assert_eq!(next(&outbox).await, Err(End::Disconnected));
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_closed() {
        let outbox = Outbox::new(10);
        outbox.push(&frame("12345"));
        outbox.push(&frame("67890"));
        assert_eq!(next(&outbox).await, Ok("12345".into()));
        outbox.push(&frame("12345"));
        outbox.push(&frame("6"));
        assert_eq!(next(&outbox).await, Err(End::Overflow));
    }

    #[tokio::test]
    async fn a_snapshot_of_any_size_fits() {
        let outbox = Outbox::new(4);
        outbox.push(&frame("1234"));
        outbox.push_snapshot(&frame("a large room"));
        assert_eq!(next(&outbox).await, Ok("1234".into()));
        assert_eq!(next(&outbox).await, Ok("a large room".into()));
        outbox.push(&frame("1234"));
        assert_eq!(next(&outbox).await, Ok("1234".into()));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let outbox = std::sync::Arc::new(Outbox::new(10));
        let reader = tokio::spawn({
            let outbox = outbox.clone();
            async move { next(&outbox).await }
        });
        tokio::task::yield_now().await;
        outbox.push(&frame("a"));
        assert_eq!(reader.await.unwrap(), Ok("a".into()));
    }
}
