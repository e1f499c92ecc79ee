//! The scripts without all the rest, as the floor of benchmarks.

use futures_util::future::try_join_all;

use super::{
    link::Link,
    node::{Answer, Epoch, NodeId, Request, Said, Timing},
    scripts::Scripts,
    settings::{RedisStore, Settings},
};
use crate::{
    name::{GroupName, UserId},
    roster::Payload,
};

/// A node that only says what it is told to say. Not for use by hand.
#[derive(Debug)]
pub struct Alone {
    settings: std::sync::Arc<Settings>,
    scripts: Scripts,
    link: Link,
}

impl Alone {
    /// Connects to the store at an address, and registers in every shard.
    ///
    /// # Panics
    ///
    /// Where there is no store.
    pub async fn connect(url: &str) -> Self {
        let settings = RedisStore::at(url).check().expect("an address");
        let settings = std::sync::Arc::new(settings);
        let link = Link::connect(settings.clone()).await.expect("a store");
        let alone = Self { settings, scripts: Scripts::new(link.is_cluster()), link };
        let register = Request::Heartbeat { node: NODE, epoch: Epoch(1), is_new: true };
        for shard in 0..usize::from(alone.settings.shards) {
            alone.ask(shard, register.clone()).await;
        }
        alone
    }

    async fn ask(&self, shard: usize, request: Request) -> Answer {
        let (key, mut connection) =
            (self.settings.key(shard), self.link.server(shard).asks.clone());
        let answer = self.scripts.ask(&mut connection, &key, request, &Timing::default(), 1).await;
        answer.expect("a store that answers")
    }

    /// Says of so many users that they are in rooms of `room`, in batches of `batch`, one under way
    /// in each shard.
    ///
    /// # Panics
    ///
    /// Where the store does not answer.
    pub async fn say(&self, users: usize, room: usize, batch: usize) {
        let shards = usize::from(self.settings.shards);
        let of_shard = |shard| async move {
            let mut said = Vec::new();
            for user in (shard..users).step_by(shards) {
                let room = user / shards / room * shards + shard;
                said.push(Said {
                    group: GroupName::new(format!("room:{room}")).expect("a name"),
                    user: UserId::new(format!("{user:036}")).expect("an id"),
                    payload: Some(Payload::IdOnly),
                });
                if said.len() == batch || user + shards >= users {
                    let said = std::mem::take(&mut said);
                    self.ask(shard, Request::Apply { node: NODE, epoch: Epoch(1), said }).await;
                }
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(_) = try_join_all((0..shards).map(of_shard)).await;
    }

    /// Sends so many heartbeats, one after the other.
    ///
    /// # Panics
    ///
    /// Where the store does not answer.
    pub async fn beat(&self, times: usize) {
        for _ in 0..times {
            self.ask(0, Request::Heartbeat { node: NODE, epoch: Epoch(1), is_new: false }).await;
        }
    }
}

/// As it names itself.
const NODE: NodeId = NodeId(1 << 40);
