//! What waits to be written to one connection.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::group::GroupName;

/// One connection's bounded queue of encoded frames, with one reader.
///
/// One snapshot per group is not counted against the bound, so that a room of any size can
/// be joined: its bytes are shared by everybody who waits for it. Everything else is
/// counted; a reader that falls behind by more than the bound is closed. It loses no truth:
/// when it is back it begins with a snapshot.
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
    /// The groups of the snapshots in `queue` that do not count, in its order.
    snapshots: VecDeque<GroupName>,
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
    /// Nothing has been taken from it, or heard of its client, for too long.
    Lost,
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
        self.queue(&mut self.state.lock(), frames, true);
    }

    /// Queues a snapshot of a group.
    pub(crate) fn push_snapshot(&self, group: &GroupName, frames: &[Bytes]) {
        let mut state = self.state.lock();
        // A client that asks for one after the other without reading must not pile them up.
        let counts = state.snapshots.contains(group);
        if !counts && !frames.is_empty() {
            state.snapshots.push_back(group.clone());
        }
        self.queue(&mut state, frames, counts);
    }

    fn queue(&self, state: &mut State, frames: &[Bytes], counts: bool) {
        if state.end.is_some() {
            return;
        }
        for bytes in frames {
            state.bytes += if counts { bytes.len() } else { 0 };
            state.queue.push_back(Frame { bytes: bytes.clone(), counts });
        }
        if state.bytes > self.limit {
            state.clear();
            state.end = Some(End::Overflow);
        }
        state.wake();
    }

    /// Whether the connection is to end, or is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().end.is_some()
    }

    /// Ends the connection at once: what is queued is dropped.
    pub(crate) fn abandon(&self, end: End) {
        self.state.lock().clear();
        self.close(end);
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
            if frame.counts {
                state.bytes -= frame.bytes.len();
            } else {
                state.snapshots.pop_front();
            }
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
    fn clear(&mut self) {
        (self.queue, self.snapshots, self.bytes) = (VecDeque::new(), VecDeque::new(), 0);
    }

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

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
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
        outbox.push_snapshot(&group("room:1"), &frame("a large room"));
        assert_eq!(next(&outbox).await, Ok("1234".into()));
        assert_eq!(next(&outbox).await, Ok("a large room".into()));
        outbox.push(&frame("1234"));
        assert_eq!(next(&outbox).await, Ok("1234".into()));
    }

    #[tokio::test]
    async fn a_second_snapshot_of_a_group_counts_while_the_first_waits() {
        let outbox = Outbox::new(4);
        for n in 0..3 {
            for room in ["room:1", "room:2"] {
                outbox.push_snapshot(&group(room), &frame("large"));
            }
            for _ in 0..2 {
                assert_eq!(next(&outbox).await, Ok("large".into()), "{n}");
            }
        }
        for _ in 0..2 {
            outbox.push_snapshot(&group("room:1"), &frame("large"));
        }
        assert_eq!(next(&outbox).await, Err(End::Overflow));
    }

    #[tokio::test]
    async fn what_is_abandoned_is_not_read() {
        let outbox = Outbox::new(10);
        outbox.push(&frame("a"));
        outbox.abandon(End::Lost);
        assert_eq!(next(&outbox).await, Err(End::Lost));
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
