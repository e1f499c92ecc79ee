//! The store of several processes.
//!
//! | key | type | what |
//! |---|---|---|
//! | `lobby:visitor:ID` | hash | `name`, and `key:ROOM` for each room to which the visitor has shown the key |
//! | `lobby:seen` | sorted set | the visitors' ids, by the time when they were seen last |
//! | `lobby:rooms` | set | the rooms that visitors have made |
//! | `lobby:cookie-key` | string | the key that signs cookies |

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use axum_extra::extract::cookie::Key;
use redis::{
    Client, FromRedisValue, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
    pipe,
};
use tokio::time::timeout;

use super::{FORGOTTEN_AFTER, MOST_ROOMS, MOST_VISITORS, StoreError};

const SEEN: &str = "lobby:seen";
const ROOMS: &str = "lobby:rooms";
const COOKIE_KEY: &str = "lobby:cookie-key";

const DAY: i64 = FORGOTTEN_AFTER.as_secs().cast_signed();

/// How long an answer may take, with the time to connect again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that is made again whenever it is lost.
#[derive(Clone)]
pub(crate) struct Redis(ConnectionManager);

impl Redis {
    pub(super) async fn connect(url: &str) -> Result<(Self, Key), String> {
        let info = url.into_connection_info().map_err(|_| {
            // It may hold a password, and so is not repeated.
            "what --redis says is not the address of a Redis server; use redis://127.0.0.1:6379"
                .to_owned()
        })?;
        let place = info.addr().to_string();
        let unusable = |error: RedisError| {
            format!(
                "the Redis server {place} cannot be used: {error}; `redis-server` starts one, and without --redis the lobby needs none"
            )
        };
        // With this protocol the connection is known to be lost before the next question.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(settings)).map_err(unusable)?;
        let mut first = client.get_multiplexed_async_connection().await.map_err(unusable)?;
        let mut key = pipe();
        // The first node makes the key.
        key.cmd("SET").arg(COOKIE_KEY).arg(Key::generate().master()).arg("NX").ignore();
        key.get(COOKIE_KEY);
        let (key,): (Vec<u8>,) = key.query_async(&mut first).await.map_err(unusable)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(usize::MAX)
            .set_max_delay(Duration::from_millis(500));
        let manager = ConnectionManager::new_lazy_with_config(client, config).map_err(unusable)?;
        Ok((Self(manager), Key::from(&key)))
    }

    async fn ask<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, StoreError> {
        let mut connection = self.0.clone();
        match timeout(PATIENCE, question.query_async(&mut connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => tracing::warn!("Redis: {error}"),
            Err(_) => tracing::warn!("Redis has not answered within {PATIENCE:?}"),
        }
        Err(StoreError::Away)
    }

    pub(super) async fn add_visitor(&self, id: &str, name: &str) -> Result<(), StoreError> {
        let mut question = pipe();
        question.atomic().zrembyscore(SEEN, "-inf", now() - DAY).ignore();
        question.hset(visitor(id), "name", name).ignore().expire(visitor(id), DAY).ignore();
        question.zadd(SEEN, id, now()).ignore().zcard(SEEN);
        let (count,): (usize,) = self.ask(&question).await?;
        if count > MOST_VISITORS {
            self.forget(id).await?;
            return Err(StoreError::TooManyVisitors);
        }
        Ok(())
    }

    pub(super) async fn see(&self, ids: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        let mut question = pipe();
        for id in ids {
            question.hget(visitor(id), "name").expire(visitor(id), DAY).ignore();
            question.cmd("ZADD").arg(SEEN).arg("XX").arg(now()).arg(id).ignore();
        }
        self.ask(&question).await
    }

    pub(super) async fn forget(&self, id: &str) -> Result<(), StoreError> {
        self.ask(pipe().atomic().del(visitor(id)).ignore().zrem(SEEN, id).ignore()).await
    }

    /// A visitor who is just forgotten by another node has no name any more, and so is nobody.
    pub(super) async fn add_key(&self, id: &str, room: &str) -> Result<(), StoreError> {
        let mut question = pipe();
        question.atomic().hset(visitor(id), key(room), 1).ignore();
        question.expire(visitor(id), DAY).ignore();
        self.ask(&question).await
    }

    pub(super) async fn has_key(&self, id: &str, room: &str) -> Result<bool, StoreError> {
        self.ask(pipe().hexists(visitor(id), key(room))).await.map(|(has_key,)| has_key)
    }

    pub(super) async fn add_room(&self, room: &str) -> Result<(), StoreError> {
        let (is_new, count): (bool, usize) =
            self.ask(pipe().atomic().sadd(ROOMS, room).scard(ROOMS)).await?;
        if !is_new {
            return Err(StoreError::RoomExists);
        }
        if count > MOST_ROOMS {
            self.ask::<()>(pipe().srem(ROOMS, room).ignore()).await?;
            return Err(StoreError::TooManyRooms);
        }
        Ok(())
    }

    pub(super) async fn rooms(&self) -> Result<BTreeSet<String>, StoreError> {
        self.ask(pipe().smembers(ROOMS)).await.map(|(rooms,)| rooms)
    }
}

fn visitor(id: &str) -> String {
    format!("lobby:visitor:{id}")
}

fn key(room: &str) -> String {
    format!("key:{room}")
}

/// The time in seconds since 1970.
fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs().cast_signed())
}
