//! Questions to other nodes, and their answers.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::letter::Reply;
use crate::hash::KeyedMap;

/// So long other nodes have to answer.
pub(super) const WITHIN: Duration = Duration::from_secs(2);

/// Some nodes have not answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    /// How many they are, where it is known.
    pub(crate) nodes: Option<usize>,
}

/// Why one node has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// There is no such node any more.
    Gone,
    /// It may be there.
    Late,
}

/// Questions that have not been answered by all.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: AtomicU64,
    waiting: Mutex<KeyedMap<u64, mpsc::UnboundedSender<(u64, Reply)>>>,
}

/// A question that is being answered.
#[derive(Debug)]
pub(super) struct Call<'c> {
    calls: &'c Calls,
    pub(super) number: u64,
    until: Instant,
    replies: mpsc::UnboundedReceiver<(u64, Reply)>,
}

impl Calls {
    pub(super) fn begin(&self) -> Call<'_> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let (sender, replies) = mpsc::unbounded_channel();
        self.waiting.lock().insert(number, sender);
        Call { calls: self, number, until: Instant::now() + WITHIN, replies }
    }

    /// A node has answered.
    pub(super) fn answered(&self, number: u64, process: u64, reply: Reply) {
        if let Some(call) = self.waiting.lock().get(&number) {
            // The one who has asked may have gone.
            let _ = call.send((process, reply));
        }
    }
}

impl Call<'_> {
    /// The answers of these nodes, and of others that have answered meanwhile.
    pub(super) async fn all(mut self, nodes: &[u64]) -> (Vec<Reply>, Option<Silent>) {
        let mut silent: HashSet<_> = nodes.iter().collect();
        let mut replies = Vec::new();
        while !silent.is_empty() {
            let Ok(Some((process, reply))) = timeout_at(self.until, self.replies.recv()).await
            else {
                return (replies, Some(Silent { nodes: Some(silent.len()) }));
            };
            silent.remove(&process);
            replies.push(reply);
        }
        (replies, None)
    }

    /// The answer of the one that was asked; `None` where it did not come in time.
    pub(super) async fn one(mut self, process: u64) -> Option<Reply> {
        loop {
            let answer = timeout_at(self.until, self.replies.recv()).await;
            let (of, reply) = answer.ok().flatten()?;
            if of == process {
                return Some(reply);
            }
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.waiting.lock().remove(&self.number);
    }
}
