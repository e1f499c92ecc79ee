//! The connections to one server, and what a server has to be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, Value,
    aio::MultiplexedConnection,
};
use tokio::sync::mpsc;

use super::{node::ServerId, unusable::Unusable};

/// A server that has not answered for so long is lost.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// Large groups take long to read.
const READ: Duration = Duration::from_secs(10);

/// Connections that stand: one to ask, one to read groups, whose answers may be large, and one to be
/// told, since a server closes a connection to which it has too much to tell.
pub(super) struct Server {
    pub(super) asks: MultiplexedConnection,
    pub(super) reads: MultiplexedConnection,
    pub(super) listens: MultiplexedConnection,
    pub(super) id: ServerId,
}

/// What comes without being asked for.
#[derive(Debug)]
pub(super) enum Push {
    /// A message, with the channel that it has come over.
    Message { channel: String, body: Vec<u8> },
    /// One of the connections is gone.
    Closed,
    /// A shard is not this server's any more.
    Moved,
}

/// So much of messages waits for this node. What comes when more does is missed, as what is lost on the
/// way is.
const WAITING: usize = 16_384;
const WAITING_BYTES: usize = 64 << 20;

/// Where pushes go.
#[derive(Clone, Debug)]
pub(super) struct Pushes {
    messages: mpsc::Sender<Push>,
    /// What tells that a connection is no good any more is never missed.
    ends: mpsc::UnboundedSender<Push>,
    bytes: Arc<AtomicUsize>,
}

/// Where they come from.
#[derive(Debug)]
pub(super) struct Pushed {
    messages: mpsc::Receiver<Push>,
    ends: mpsc::UnboundedReceiver<Push>,
    bytes: Arc<AtomicUsize>,
}

/// A way for pushes.
pub(super) fn pushes() -> (Pushes, Pushed) {
    let ((messages, received), (ends, ended)) = (mpsc::channel(WAITING), mpsc::unbounded_channel());
    let bytes = Arc::new(AtomicUsize::new(0));
    let pushed = Pushed { messages: received, ends: ended, bytes: bytes.clone() };
    (Pushes { messages, ends, bytes }, pushed)
}

impl Pushes {
    fn send(&self, push: Push) {
        let Push::Message { body, .. } = &push else {
            let _ = self.ends.send(push);
            return;
        };
        let bytes = body.len();
        let waits = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= WAITING_BYTES;
        if !waits || self.messages.try_send(push).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Pushed {
    /// The next one. None comes where nothing sends any more.
    pub(super) async fn next(&mut self) -> Option<Push> {
        let push = tokio::select! {
            biased;
            Some(end) = self.ends.recv() => Some(end),
            message = self.messages.recv() => message,
        };
        self.taken(push)
    }

    /// The next one, if it is there.
    pub(super) fn try_next(&mut self) -> Option<Push> {
        let push = self.ends.try_recv().ok().or_else(|| self.messages.try_recv().ok());
        self.taken(push)
    }

    fn taken(&self, push: Option<Push>) -> Option<Push> {
        if let Some(Push::Message { body, .. }) = &push {
            self.bytes.fetch_sub(body.len(), Ordering::Relaxed);
        }
        push
    }
}

/// A server that answers.
pub(super) struct Reached {
    client: Client,
    pub(super) asks: MultiplexedConnection,
    /// What it says of itself.
    about: String,
}

impl Reached {
    /// Connects to a server.
    pub(super) async fn connect(client: Client, pushes: &Pushes) -> Result<Self, Unusable> {
        let mut asks = connection(&client, ANSWER, pushes).await?;
        let about = redis::cmd("INFO").query_async(&mut asks).await?;
        Ok(Self { client, asks, about })
    }

    pub(super) fn is_in_cluster(&self) -> bool {
        value(&self.about, "cluster_enabled") == Some("1")
    }
}

impl Server {
    /// Makes sure that the server can be used, and connects for the rest.
    pub(super) async fn new(reached: Reached, pushes: &Pushes) -> Result<Self, Unusable> {
        let Reached { client, asks, about } = reached;
        let id = check(&about)?;
        let listens = connection(&client, ANSWER, pushes).await?;
        let reads = connection(&client, READ, pushes).await?;
        Ok(Self { asks, reads, listens, id })
    }
}

/// A connection whose answers come within this time.
async fn connection(
    client: &Client,
    within: Duration,
    pushes: &Pushes,
) -> Result<MultiplexedConnection, RedisError> {
    let pushes = pushes.clone();
    let config = AsyncConnectionConfig::new()
        .set_push_sender(move |push: PushInfo| {
            if let Some(push) = read(push) {
                pushes.send(push);
            }
            Ok::<(), redis::aio::SendError>(())
        })
        .set_connection_timeout(Some(ANSWER))
        .set_response_timeout(Some(within));
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn read(push: PushInfo) -> Option<Push> {
    match push.kind {
        PushKind::Message | PushKind::SMessage => {}
        PushKind::Disconnection => return Some(Push::Closed),
        // Nobody asks for it: a server says so when the slot of a channel has gone elsewhere.
        PushKind::SUnsubscribe => return Some(Push::Moved),
        _ => return None,
    }
    let mut parts = push.data.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Value::BulkString(channel)), Some(Value::BulkString(body))) => {
            Some(Push::Message { channel: String::from_utf8(channel).ok()?, body })
        }
        _ => None,
    }
}

/// What a line of `INFO` says.
fn value<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Looks at what a server says of itself. Gives its name for this life of it.
fn check(about: &str) -> Result<ServerId, Unusable> {
    let version = value(about, "redis_version").unwrap_or("unknown");
    let is_new = version.split('.').next().and_then(|major| major.parse().ok()) >= Some(7_u32);
    if !is_new {
        return Err(Unusable::Version { version: version.to_owned() });
    }
    if value(about, "role").is_some_and(|role| role != "master") {
        return Err(Unusable::ReadOnly);
    }
    if let Some(policy) = value(about, "maxmemory_policy").filter(|policy| *policy != "noeviction")
    {
        return Err(Unusable::Evicts { policy: policy.to_owned() });
    }
    let run = value(about, "run_id").unwrap_or_default();
    let number = run.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Ok(ServerId(number.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_an_end_is_never_missed() {
        let (sender, mut receiver) = pushes();
        let message = |bytes| Push::Message { channel: "c".into(), body: vec![0; bytes] };
        for _ in 0..100 {
            sender.send(message(1 << 20));
        }
        sender.send(Push::Closed);
        assert!(matches!(receiver.next().await, Some(Push::Closed)));
        for _ in 0..64 {
            assert!(matches!(receiver.try_next(), Some(Push::Message { .. })));
        }
        assert!(receiver.try_next().is_none(), "64 MiB and no more");
        for _ in 0..2 * WAITING {
            sender.send(message(1));
        }
        let count = std::iter::from_fn(|| receiver.try_next()).count();
        assert_eq!(count, WAITING);
        assert_eq!(receiver.bytes.load(Ordering::Relaxed), 0);
        drop(sender);
        assert!(receiver.next().await.is_none());
    }
}
