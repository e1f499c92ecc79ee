//! What the lobby remembers: the visitors, and the rooms that they have made. One process has it in
//! memory. Several processes have it in Redis, so that a visitor may come to any of them.

mod memory;
mod redis;

use std::{collections::BTreeSet, time::Duration};

use axum_extra::extract::cookie::Key;
use http::StatusCode;

pub(crate) use self::memory::Memory;
use self::redis::Redis;
use crate::Refusal;

/// A visitor who has not been seen for this time is forgotten, because not everybody signs out.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

const MOST_VISITORS: usize = 10_000;

/// With the four rooms that are always there, 50.
const MOST_ROOMS: usize = 46;

/// Cloning is cheap, and a clone is the same store.
#[derive(Clone)]
pub(crate) enum Store {
    Memory(Memory),
    Redis(Redis),
}

/// Why the store has not done something.
#[derive(Debug)]
pub(crate) enum StoreError {
    Away,
    TooManyVisitors,
    TooManyRooms,
    RoomExists,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        match error {
            StoreError::Away => (busy, "The house does not answer. Try again in a moment."),
            StoreError::TooManyVisitors => (busy, "The house is full."),
            StoreError::TooManyRooms => (busy, "There are too many rooms."),
            StoreError::RoomExists => (StatusCode::CONFLICT, "There is a room of that name."),
        }
    }
}

impl Store {
    /// The store in a Redis server, and the key that signs cookies on all nodes. An error is a
    /// sentence for the operator.
    pub(crate) async fn redis(url: &str) -> Result<(Self, Key), String> {
        let (redis, key) = Redis::connect(url).await?;
        Ok((Self::Redis(redis), key))
    }

    pub(crate) async fn add_visitor(&self, id: &str, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.add_visitor(id, name),
            Self::Redis(redis) => redis.add_visitor(id, name).await,
        }
    }

    /// The names of visitors, who are here now, in the same order.
    pub(crate) async fn see(&self, ids: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        match self {
            Self::Memory(memory) => memory.see(ids),
            Self::Redis(redis) => redis.see(ids).await,
        }
    }

    pub(crate) async fn forget(&self, id: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.forget(id),
            Self::Redis(redis) => redis.forget(id).await,
        }
    }

    /// Remembers that a visitor has shown the key to a room.
    pub(crate) async fn add_key(&self, id: &str, room: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.add_key(id, room),
            Self::Redis(redis) => redis.add_key(id, room).await,
        }
    }

    pub(crate) async fn has_key(&self, id: &str, room: &str) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => memory.has_key(id, room),
            Self::Redis(redis) => redis.has_key(id, room).await,
        }
    }

    pub(crate) async fn add_room(&self, room: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => memory.add_room(room),
            Self::Redis(redis) => redis.add_room(room).await,
        }
    }

    pub(crate) async fn rooms(&self) -> Result<BTreeSet<String>, StoreError> {
        match self {
            Self::Memory(memory) => memory.rooms(),
            Self::Redis(redis) => redis.rooms().await,
        }
    }
}

/// Asks until the store answers, because nobody is signed out when Redis is away. The library waits
/// for [`Limits::policy_timeout`](umbral_presence::Limits::policy_timeout), and then the page tries
/// again.
pub(crate) async fn until_answered<T, F>(question: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        if let Ok(answer) = question().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
