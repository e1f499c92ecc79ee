//! Redis Cluster: which of its servers has which shard.
//!
//! All keys of a shard are in one slot. The servers say which slot that is and who has it; this node
//! then keeps connections to those masters, each as to a server that is alone. It follows no
//! redirection: where a slot has moved everything is connected anew, which is what the rules of a
//! node want.

use std::{future::Future, iter};

use futures_util::{future::try_join_all, stream::FuturesUnordered};
use indexmap::IndexSet;
use redis::{Client, FromRedisValue, RedisError, Value};

use super::{
    server::{Pushes, Reached, Server},
    settings::{Place, Settings},
    unusable::Unusable,
};

/// Slots from the first to the last, and their servers, the master first.
struct Range {
    first: u16,
    last: u16,
    servers: Vec<Place>,
}

/// The servers that answer, one after the other: that of the settings, and those that are known to be
/// in its cluster.
pub(super) fn reach<'a>(
    settings: &Settings,
    client: Client,
    pushes: &'a Pushes,
) -> FuturesUnordered<impl Future<Output = Result<Reached, Unusable>> + use<'a>> {
    let clients = iter::once(client).chain(settings.others());
    clients.map(|client| Reached::connect(client, pushes)).collect()
}

/// Connects to all masters that have a shard. Gives them, and for each shard which of them has it.
pub(super) async fn connect(
    settings: &Settings,
    reached: Reached,
    pushes: &Pushes,
) -> Result<(Vec<Server>, Vec<usize>), Unusable> {
    let mut asks = reached.asks;
    let ranges = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut asks).await?;
    let ranges = read(ranges)?;
    let mut ask = redis::pipe();
    for shard in 0..usize::from(settings.shards) {
        ask.cmd("CLUSTER").arg("KEYSLOT").arg(settings.key(shard));
    }
    let slots: Vec<u16> = ask.query_async(&mut asks).await?;
    let mut masters = IndexSet::new();
    let mut shards = Vec::with_capacity(slots.len());
    for slot in slots {
        let range = ranges.iter().find(|range| (range.first..=range.last).contains(&slot));
        let master = range.and_then(|range| range.servers.first());
        let master = master.ok_or(Unusable::Slot { slot })?;
        shards.push(masters.insert_full(master).0);
    }
    // Only one that knows who has the slots is believed in who is in the cluster.
    let all: IndexSet<_> = ranges.iter().flat_map(|range| &range.servers).cloned().collect();
    *settings.learned.lock() = all.into_iter().collect();
    let servers = masters.into_iter().map(|place| async move {
        let connecting = async {
            let reached = Reached::connect(settings.client_at(place)?, pushes).await?;
            Server::new(reached, pushes).await
        };
        connecting.await.map_err(|why| Unusable::Part {
            at: format!("{}:{}", place.0, place.1),
            why: Box::new(why),
        })
    });
    Ok((try_join_all(servers).await?, shards))
}

/// What `CLUSTER SLOTS` says.
fn read(ranges: Vec<Vec<Value>>) -> Result<Vec<Range>, RedisError> {
    let place = |server: Value| -> Result<Place, RedisError> {
        let mut parts = Vec::<Value>::from_redis_value(server)?.into_iter();
        let (host, port) = (parts.next().unwrap_or(Value::Nil), parts.next().unwrap_or(Value::Nil));
        // Of a host that is not known the server says nothing, or "?".
        let host = Option::<String>::from_redis_value(host)?.filter(|host| host != "?");
        Ok((host.unwrap_or_default(), u16::from_redis_value(port)?))
    };
    let range = |range: Vec<Value>| {
        let mut parts = range.into_iter();
        let (first, last) =
            (parts.next().unwrap_or(Value::Nil), parts.next().unwrap_or(Value::Nil));
        Ok(Range {
            first: u16::from_redis_value(first)?,
            last: u16::from_redis_value(last)?,
            servers: parts.map(place).collect::<Result<_, _>>()?,
        })
    };
    ranges.into_iter().map(range).collect()
}
