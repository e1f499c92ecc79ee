//! One connection to the store: to one server, or to all masters of a cluster.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::Value;
use tokio::time::timeout;

use super::{
    cluster,
    server::{self, ANSWER, Pushed, Pushes, Reached, Server},
    settings::Settings,
    unusable::Unusable,
};

/// Between two attempts to connect, at least, and so much longer at most.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
pub(super) const PAUSE_MORE: Duration = Duration::from_millis(400);

/// The same, where the server cannot be used as it is.
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(5);

/// All servers of the store. It is lost as a whole: where one of them is, or where a shard has moved.
pub(super) struct Link {
    servers: Vec<Server>,
    /// Which of the servers has each shard, in a cluster. Else the one server has all of them.
    shards: Option<Vec<usize>>,
    pub(super) pushes: Pushed,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("servers", &self.servers.len()).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects, and looks at the servers.
    pub(super) async fn connect(settings: Arc<Settings>) -> Result<Self, Unusable> {
        let (sender, pushes) = server::pushes();
        let client = match timeout(ANSWER, settings.client()).await {
            Ok(client) => client?,
            Err(_) => return Err(Unusable::Silent),
        };
        let mut reaching = cluster::reach(&settings, client, &sender);
        let mut why = None;
        // One that is cut off from its cluster may answer first.
        while let Some(reached) = reaching.next().await {
            let connected = match reached {
                Ok(reached) => Self::through(&settings, reached, &sender).await,
                Err(why) => Err(why),
            };
            match connected {
                Ok((servers, shards)) => {
                    drop(reaching);
                    let link = Self { servers, shards, pushes };
                    link.agree(&settings).await?;
                    return Ok(link);
                }
                // What does not pass by itself is worth more words.
                Err(new) if why.as_ref().is_none_or(|why: &Unusable| !why.is_lasting()) => {
                    why = Some(new);
                }
                Err(_) => {}
            }
        }
        Err(why.unwrap_or(Unusable::Silent))
    }

    /// The servers that have the shards, as one of them says, and in a cluster which has which.
    async fn through(
        settings: &Settings,
        reached: Reached,
        pushes: &Pushes,
    ) -> Result<(Vec<Server>, Option<Vec<usize>>), Unusable> {
        if !reached.is_in_cluster() {
            return Ok((vec![Server::new(reached, pushes).await?], None));
        }
        let (servers, shards) = cluster::connect(settings, reached, pushes).await?;
        Ok((servers, Some(shards)))
    }

    /// The server that has a shard.
    pub(super) fn server(&self, shard: usize) -> &Server {
        let shards = self.shards.as_deref().unwrap_or_default();
        &self.servers[shards.get(shard).copied().unwrap_or_default()]
    }

    /// The server for what concerns no shard.
    pub(super) fn first(&self) -> &Server {
        self.server(0)
    }

    /// Whether each shard is one server's among several.
    pub(super) fn is_cluster(&self) -> bool {
        self.shards.is_some()
    }

    /// Makes sure that all nodes use the same number of shards.
    async fn agree(&self, settings: &Settings) -> Result<(), Unusable> {
        let mut connection = self.first().asks.clone();
        let (key, shards) = (settings.own_key("shards"), settings.shards);
        let mut known: Option<String> =
            redis::cmd("GET").arg(&key).query_async(&mut connection).await?;
        if known.is_none() {
            // A server that is full takes no new key; then it knows the number.
            let first = [key.as_str(), &shards.to_string(), "NX"];
            let _: Value = redis::cmd("SET").arg(&first).query_async(&mut connection).await?;
            known = redis::cmd("GET").arg(&key).query_async(&mut connection).await?;
        }
        let theirs = known.unwrap_or_default();
        if theirs != shards.to_string() {
            let prefix = settings.prefix.clone();
            return Err(Unusable::Shards { prefix, ours: shards, theirs });
        }
        Ok(())
    }
}
