//! What a node asks of the store, as scripts: each is carried out as a whole.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError, Script, Value, aio::ConnectionLike};

use super::{
    link::{LONG_PAUSE, PAUSE},
    node::{Answer, Position, Request, Said, Timing},
    text::{self, Unreadable},
};
use crate::{clock::millis, name::GroupName};

/// So many fields of a group are looked at, at once, for those of a dead node.
const CLEARED: usize = 1000;

/// The scripts of one kind of server.
#[derive(Debug)]
pub(super) struct Scripts {
    heartbeat: Script,
    apply: Script,
    read: Script,
    retire: Script,
    clear: Script,
    /// Messages of a shard go over its own server of a cluster.
    is_sharded: bool,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("the store holds something strange: {0}")]
    Strange(#[from] Unreadable),
}

impl Failed {
    /// How long to wait before the server is asked again.
    pub(super) fn pause(&self) -> Duration {
        /// A server that is about to have a new master or to be one, or to give a shard to another.
        const SOON: [&str; 7] =
            ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN"];
        match self {
            Self::Redis(error) if error.code().is_none_or(|code| SOON.contains(&code)) => PAUSE,
            Self::Redis(_) | Self::Strange(_) => LONG_PAUSE,
        }
    }
}

impl Scripts {
    /// `is_sharded`: for a cluster, in which each shard is one server's.
    pub(super) fn new(is_sharded: bool) -> Self {
        let publish = if is_sharded { "SPUBLISH" } else { "PUBLISH" };
        let head = include_str!("scripts/shard.lua");
        // A server that is full must not keep those who leave, nor lose those who are there.
        let flags = "#!lua flags=allow-oom";
        let script =
            |body| Script::new(&format!("{flags}\nlocal PUBLISH = '{publish}'\n{head}\n{body}"));
        Self {
            heartbeat: script(include_str!("scripts/heartbeat.lua")),
            apply: script(include_str!("scripts/apply.lua")),
            read: script(include_str!("scripts/read.lua")),
            retire: script(include_str!("scripts/retire.lua")),
            clear: script(include_str!("scripts/clear.lua")),
            is_sharded,
        }
    }

    /// The command to hear the messages of a shard.
    pub(super) fn subscribe(&self, shard: &str) -> Cmd {
        let mut subscribe = redis::cmd(if self.is_sharded { "SSUBSCRIBE" } else { "SUBSCRIBE" });
        subscribe.arg(format!("{shard}:e"));
        subscribe
    }

    /// Asks the store about a shard, whose keys begin with `shard`. `random` names a history that
    /// may begin. To subscribe is none of it.
    pub(super) async fn ask(
        &self,
        connection: &mut impl ConnectionLike,
        shard: &str,
        request: Request,
        timing: &Timing,
        random: u64,
    ) -> Result<Answer, Failed> {
        let history = text::name(random);
        match request {
            Request::Subscribe => Ok(Answer::Subscribed),
            Request::Heartbeat { node, epoch, is_new } => {
                let mut call = self.heartbeat.key(shard);
                call.arg(history).arg(text::name(node.0)).arg(epoch.0).arg(u8::from(is_new));
                call.arg(millis(timing.lease)).arg(millis(timing.stand_still));
                let alive: Option<(String, String, String)> = call.invoke_async(connection).await?;
                let Some((generation, version, dead)) = alive else {
                    return Ok(Answer::Refused { node });
                };
                let at = position(&generation, &version)?;
                let dead = if dead.is_empty() { None } else { Some(text::node(&dead)?) };
                Ok(Answer::Alive { node, at, dead })
            }
            Request::Apply { node, epoch, said } => {
                let mut call = self.apply.key(shard);
                call.arg(history).arg(text::name(node.0)).arg(epoch.0);
                for Said { group, user, payload } in said {
                    call.arg(group.as_str()).arg(user.as_str());
                    call.arg(text::said_text(payload.as_ref()));
                }
                let at: Option<(String, String)> = call.invoke_async(connection).await?;
                match at {
                    Some((generation, version)) => {
                        Ok(Answer::Applied { at: position(&generation, &version)? })
                    }
                    None => Ok(Answer::Refused { node }),
                }
            }
            Request::Read { groups } => {
                let mut call = self.read.key(shard);
                call.arg(history);
                for group in &groups {
                    call.arg(group.as_str());
                }
                found(groups, call.invoke_async(connection).await?)
            }
            Request::Retire { node, after } => {
                let mut call = self.retire.key(shard);
                call.arg(history).arg(text::name(node.0)).arg(millis(after));
                let _: Value = call.invoke_async(connection).await?;
                Ok(Answer::Retired)
            }
            Request::Clear { node } => {
                let mut call = self.clear.key(shard);
                call.arg(history).arg(text::name(node.0)).arg(CLEARED);
                let is_all: u8 = call.invoke_async(connection).await?;
                Ok(Answer::Cleared { is_all: is_all == 1 })
            }
        }
    }
}

fn position(generation: &str, version: &str) -> Result<Position, Unreadable> {
    Ok(Position { generation: text::generation(generation)?, version: text::version(version)? })
}

/// The answer to a reading: for each group its fields and values.
fn found(groups: Vec<GroupName>, answer: Value) -> Result<Answer, Failed> {
    type Found = (String, String, Vec<String>, Vec<Vec<String>>);
    let (generation, version, live, found) =
        Found::from_redis_value(answer).map_err(RedisError::from)?;
    let live = live.iter().map(|node| text::node(node)).collect::<Result<_, _>>()?;
    let facts = |fields: Vec<String>| {
        // One that cannot be read is another version's, and is nothing to this one.
        let facts = fields.chunks(2).map(|fact| match fact {
            [field, value] => text::fact(field, value),
            _ => Err(Unreadable::new("fact", fact.concat())),
        });
        facts.filter_map(Result::ok).collect()
    };
    let groups = groups.into_iter().zip(found.into_iter().map(facts)).collect();
    Ok(Answer::Read { at: position(&generation, &version)?, live, groups })
}
