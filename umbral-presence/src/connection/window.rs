//! How much of a stream lies in the transport and has not been written to the socket.
//!
//! A body is asked for its next chunk for as long as hyper has room, which is for some
//! hundred kilobytes. Once hyper is full it asks no more, and a body that is not asked can
//! neither hold back nor end its stream. So a stream keeps far below that: each chunk tells,
//! when hyper lets go of it, that it has been written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use bytes::Bytes;
use parking_lot::Mutex;

/// The most bytes that are on their way, unless one chunk has more.
const BYTES: usize = 64 * 1024;

/// The most chunks that are on their way; hyper takes 16.
const CHUNKS: usize = 8;

/// One stream's window.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: AtomicUsize,
    chunks: AtomicUsize,
    /// How many chunks have been written in all.
    written: AtomicU64,
    /// The body, where it waits for room.
    waiting: Mutex<Option<Waker>>,
}

/// A chunk on its way.
struct Chunk<O: AsRef<Window>> {
    bytes: Bytes,
    owner: Arc<O>,
}

impl Window {
    /// Whether something more may go on its way now; `waker` is woken when it may.
    pub(crate) fn has_room(&self, waker: &Waker) -> bool {
        if self.is_open() {
            return true;
        }
        *self.waiting.lock() = Some(waker.clone());
        // Some of it may have been written meanwhile.
        self.is_open()
    }

    fn is_open(&self) -> bool {
        self.bytes.load(Ordering::SeqCst) < BYTES && self.chunks.load(Ordering::SeqCst) < CHUNKS
    }

    /// Sends a chunk on its way through the window of this owner.
    pub(crate) fn send<O>(owner: &Arc<O>, bytes: Bytes) -> Bytes
    where
        O: AsRef<Self> + Send + Sync + 'static,
    {
        let window = (**owner).as_ref();
        window.bytes.fetch_add(bytes.len(), Ordering::SeqCst);
        window.chunks.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Chunk { bytes, owner: owner.clone() })
    }

    /// While something is on its way, how many chunks have been written so far.
    pub(crate) fn progress(&self) -> Option<u64> {
        let on_its_way = self.chunks.load(Ordering::SeqCst) > 0;
        on_its_way.then(|| self.written.load(Ordering::SeqCst))
    }
}

impl AsRef<Self> for Window {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<O: AsRef<Window>> AsRef<[u8]> for Chunk<O> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<O: AsRef<Window>> Drop for Chunk<O> {
    fn drop(&mut self) {
        let window = (*self.owner).as_ref();
        window.bytes.fetch_sub(self.bytes.len(), Ordering::SeqCst);
        window.chunks.fetch_sub(1, Ordering::SeqCst);
        window.written.fetch_add(1, Ordering::SeqCst);
        let waiting = window.waiting.lock().take();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_window_is_shut_while_its_bytes_or_its_chunks_are_on_their_way() {
        let window = Arc::new(Window::default());
        let large = Window::send(&window, Bytes::from(vec![0; BYTES]));
        assert!(!window.has_room(Waker::noop()));
        assert_eq!((large.len(), window.progress()), (BYTES, Some(0)));
        // A part of it keeps the whole.
        let part = large.slice(1..);
        drop(large);
        assert!(!window.has_room(Waker::noop()));
        drop(part);
        assert!(window.has_room(Waker::noop()));
        let small: Vec<_> =
            (0..CHUNKS).map(|_| Window::send(&window, Bytes::from_static(b"x"))).collect();
        assert!(!window.has_room(Waker::noop()));
        drop(small);
        assert!(window.has_room(Waker::noop()));
        assert_eq!(window.progress(), None);
    }
}
