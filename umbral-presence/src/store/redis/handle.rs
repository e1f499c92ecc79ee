//! How the rest of the crate uses the store. It asks for things; the task does them.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    calls::{Calls, NoReply, Silent},
    host::{Host, Look},
    letter::{self, Ask, Content, Reply},
    node,
    outgoing::Post,
    settings::Settings,
    shards::Shards,
    shared::Shared,
    status::Status,
    topic::{Topic, Topics},
    waits::Wait,
};
use crate::store::{degraded::Degraded, whom::Whom};

/// Answers what other nodes ask, or asked so long ago.
pub(crate) type Answerer =
    Box<dyn Fn(Ask, Duration) -> BoxFuture<'static, Option<Reply>> + Send + Sync>;

/// For so long a node is known to be alive, and not to be.
const LIVE_FOR: Duration = Duration::from_secs(5);
const GONE_FOR: Duration = Duration::from_millis(200);

/// Which other nodes were alive, and when that was asked.
#[derive(Debug, Default)]
struct Live(tokio::sync::Mutex<Option<(Instant, Vec<u64>)>>);

/// The store of one `Realtime`.
pub(crate) struct Redis {
    pub(super) settings: Arc<Settings>,
    /// The process, as it names itself to the others.
    pub(super) process: u64,
    pub(super) is_alone: AtomicBool,
    pub(super) status: Status,
    pub(super) topics: Mutex<Topics>,
    pub(super) post: Post,
    pub(super) calls: Calls,
    pub(super) answerer: OnceLock<Answerer>,
    live: Live,
    /// Since when this node cannot have heard all that the others ask: it is to be made up for.
    pub(super) deaf_since: Mutex<Option<Instant>>,
    pub(super) looks: mpsc::UnboundedSender<Look>,
    /// Whom the task serves, once that is known.
    pub(super) host: OnceLock<Weak<dyn Host>>,
    /// What the task is when it does not run: it is lost with no runtime.
    pub(super) idle: Mutex<Option<Box<Shards>>>,
}

impl Redis {
    /// Nothing is connected yet.
    pub(crate) fn new(settings: Settings) -> Result<Arc<Self>, getrandom::Error> {
        let process = node::process(getrandom::u64()?);
        let ((looks, looked), (post, letters)) = (mpsc::unbounded_channel(), Post::new());
        let shards = Shards::new(&settings, process, looked, letters);
        let mut topics = Topics::default();
        for topic in [Topic::For(Whom::Everybody), Topic::Nodes, Topic::Node(process)] {
            topics.want(topic, true);
        }
        Ok(Arc::new(Self {
            status: Status::new(settings.place()),
            process,
            is_alone: AtomicBool::new(false),
            topics: Mutex::new(topics),
            post,
            calls: Calls::default(),
            answerer: OnceLock::new(),
            host: OnceLock::new(),
            live: Live::default(),
            deaf_since: Mutex::new(Some(crate::clock::now())),
            looks,
            idle: Mutex::new(Some(Box::new(shards))),
            settings: Arc::new(settings),
        }))
    }

    /// Answers what other nodes ask with this.
    pub(crate) fn answer_with(&self, answerer: Answerer) {
        // It is set once, by the code that builds.
        let _ = self.answerer.set(answerer);
    }

    /// A group that is new to this node.
    pub(crate) fn group(&self, now: Instant) -> Shared {
        Shared::new(self.is_alone(), now)
    }

    /// The process, as it names itself to the others.
    pub(crate) fn process(&self) -> u64 {
        self.process
    }

    /// Since when and why this node goes on alone.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        self.status.degraded()
    }

    /// Whether this node goes on alone.
    pub(super) fn is_alone(&self) -> bool {
        self.is_alone.load(Ordering::Relaxed)
    }

    /// Has the task look at a topic.
    pub(crate) fn look(&self, topic: Topic) {
        // Where the task has ended for good, so has everything else.
        let _ = self.looks.send(Look::At(topic));
    }

    /// To be waited for until what is sent to a topic reaches this node.
    pub(crate) fn wait_for(&self, topic: &Topic) -> Option<Wait> {
        if self.is_alone() { None } else { self.topics.lock().wait(topic) }
    }

    /// Sends an event to those on other nodes. It is lost where the store is not reached, or where
    /// more waits than it takes, and counted then.
    pub(crate) fn send(&self, topic: Topic, event: &str, data: &RawValue) {
        let (event, data) = (event.to_owned(), data.get().to_owned());
        let is_sent = self.post(topic, Content::Event { event, data });
        if !is_sent && let Some(host) = self.host.get().and_then(Weak::upgrade) {
            host.count_unsent(1);
        }
    }

    pub(super) fn post(&self, topic: Topic, content: Content) -> bool {
        !self.is_alone() && self.post.send(topic, letter::write(self.process, content))
    }

    /// Asks all other nodes. Gives their answers, and whether some did not answer.
    pub(crate) async fn ask_all(&self, ask: Ask) -> (Vec<Reply>, Option<Silent>) {
        let unknown = (Vec::new(), Some(Silent { nodes: None }));
        if Handle::try_current().is_err() {
            return unknown;
        }
        let call = self.calls.begin();
        let is_for_later = ask.is_for_later();
        let letter = letter::write(self.process, Content::Ask { number: call.number, ask });
        if is_for_later {
            let _ = self.looks.send(Look::Remember(letter.clone()));
        }
        if self.is_alone() || !self.post.send(Topic::Nodes, letter) {
            return unknown;
        }
        match self.live().await {
            Some(live) => call.all(&live).await,
            None => unknown,
        }
    }

    /// Which other nodes are alive now.
    async fn live(&self) -> Option<Vec<u64>> {
        let (sender, live) = oneshot::channel();
        self.looks.send(Look::Live(sender)).ok()?;
        timeout(super::calls::WITHIN, live).await.ok()?.ok()
    }

    /// Whether a node is alive. It is asked of the store at most so often that clients who name nodes
    /// that never were cost it nothing.
    async fn is_live(&self, process: u64) -> Option<bool> {
        let mut known = self.live.0.lock().await;
        if let Some((at, nodes)) = &*known {
            let is_there = nodes.contains(&process);
            if at.elapsed() < if is_there { LIVE_FOR } else { GONE_FOR } {
                return Some(is_there);
            }
        }
        let nodes = self.live().await?;
        let is_there = nodes.contains(&process);
        *known = Some((Instant::now(), nodes));
        Some(is_there)
    }

    /// Asks one other node.
    pub(crate) async fn ask(&self, process: u64, ask: Ask) -> Result<Reply, NoReply> {
        match self.is_live(process).await {
            Some(true) => {}
            Some(false) => return Err(NoReply::Gone),
            None => return Err(NoReply::Late),
        }
        let call = self.calls.begin();
        let content = Content::Ask { number: call.number, ask };
        if !self.post(Topic::Node(process), content) {
            return Err(NoReply::Late);
        }
        call.one(process).await.ok_or(NoReply::Late)
    }

    /// This node ends: its users stay for that time, unless they have gone to another node. It
    /// returns when the store knows, or after a second.
    pub(crate) async fn leave(&self, after: Duration) {
        let (sender, left) = oneshot::channel();
        if self.looks.send(Look::Leave(after, sender)).is_ok() && !self.is_alone() {
            let _ = timeout(super::server::ANSWER, left).await;
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("settings", &self.settings).finish_non_exhaustive()
    }
}
