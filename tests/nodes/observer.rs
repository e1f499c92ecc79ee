//! Somebody who watches a room all along, and writes down who was seen to come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tests::{Client, Fold, Frame, Kind};
use tokio::task::JoinHandle;

use crate::process::Node;

/// How long a test waits for what takes a lease and more.
const DEADLINE: Duration = Duration::from_secs(40);

/// A stream that is read until this is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    roster: Fold,
    /// How often somebody was seen to come, and to go, since the first snapshot.
    joins: BTreeMap<String, usize>,
    leaves: BTreeMap<String, usize>,
    has_ended: bool,
}

impl Observer {
    /// Watches `room` over this stream.
    pub(crate) fn of(mut client: Client, room: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen { roster: Fold::of(room), ..Seen::default() }));
        let writes = seen.clone();
        let task = tokio::spawn(async move {
            while let Some(frame) = client.read().await {
                writes.lock().take(&frame);
            }
            writes.lock().has_ended = true;
        });
        Self { seen, task }
    }

    /// Whether the stream goes on.
    ///
    /// # Panics
    ///
    /// Where its frames contradict each other.
    pub(crate) fn is_open(&self) -> bool {
        let has_ended = self.seen.lock().has_ended;
        assert!(has_ended || !self.task.is_finished(), "a contradiction, printed above");
        !has_ended
    }

    /// Who is shown now.
    pub(crate) fn shown(&self) -> BTreeSet<String> {
        let payloads = self.seen.lock().roster.payloads();
        payloads.iter().map(|payload| payload["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Waits until these are shown.
    pub(crate) async fn shows(&self, who: &[&str]) {
        let expected: BTreeSet<_> = who.iter().map(ToString::to_string).collect();
        let start = Instant::now();
        while self.shown() != expected {
            let shown = self.shown();
            let missing: Vec<_> = expected.difference(&shown).take(10).collect();
            let foreign: Vec<_> = shown.difference(&expected).take(10).collect();
            assert!(start.elapsed() < DEADLINE, "{missing:?} are missing, {foreign:?} are shown");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How often somebody was seen to come since the first snapshot.
    pub(crate) fn joins(&self, who: &str) -> usize {
        self.seen.lock().joins.get(who).copied().unwrap_or_default()
    }

    /// How often somebody was seen to go.
    pub(crate) fn leaves(&self, who: &str) -> usize {
        self.seen.lock().leaves.get(who).copied().unwrap_or_default()
    }

    /// Everybody who was seen to go.
    pub(crate) fn all_leaves(&self) -> BTreeMap<String, usize> {
        self.seen.lock().leaves.clone()
    }
}

/// On each of two nodes somebody who watches and somebody who stays: `one`, `other`. All are shown.
pub(crate) async fn two(nodes: [&Node; 2], room: &str) -> ([Observer; 2], [Client; 2]) {
    let observe = async |node: &Node| Observer::of(node.open(Kind::Sse, None, room).await, room);
    let observers = [observe(nodes[0]).await, observe(nodes[1]).await];
    let users = [
        nodes[0].open(Kind::Sse, Some("one"), room).await,
        nodes[1].open(Kind::Sse, Some("other"), room).await,
    ];
    for observer in &observers {
        observer.shows(&["one", "other"]).await;
    }
    (observers, users)
}

impl Seen {
    fn take(&mut self, frame: &Frame) {
        self.roster.take(frame);
        let who = || frame.data["id"].as_str().expect("an id").to_owned();
        match frame.event.as_str() {
            "presence:join" => *self.joins.entry(who()).or_default() += 1,
            "presence:leave" => *self.leaves.entry(who()).or_default() += 1,
            _ => {}
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
