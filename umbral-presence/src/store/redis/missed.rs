//! What all nodes were asked to do while one of them could not hear it: a right that was taken away
//! then is taken away there when the node is back.

use std::time::Duration;

use redis::{RedisError, Script, aio::MultiplexedConnection};

use super::settings::Settings;

/// For so long it is remembered, and so many at most.
const REMEMBERED: Duration = Duration::from_secs(3600);
const MOST: usize = 10_000;

/// What was on its way when a connection was lost may not have come either.
const MARGIN: Duration = Duration::from_secs(5);

fn list(settings: &Settings) -> String {
    settings.own_key("asked")
}

/// Remembers a letter.
pub(super) async fn remember(
    settings: &Settings,
    mut connection: MultiplexedConnection,
    letter: Vec<u8>,
) -> Result<(), RedisError> {
    let script = Script::new(include_str!("scripts/remember.lua"));
    let mut call = script.key(list(settings));
    call.arg(letter).arg(REMEMBERED.as_secs()).arg(MOST);
    call.invoke_async(&mut connection).await
}

/// The letters of the time in which this node could not hear, and how long ago each was written.
pub(super) async fn missed(
    settings: &Settings,
    mut connection: MultiplexedConnection,
    away: Duration,
) -> Result<Vec<(Vec<u8>, Duration)>, RedisError> {
    let away = u64::try_from((away + MARGIN).as_micros()).unwrap_or(u64::MAX);
    let script = Script::new(include_str!("scripts/missed.lua"));
    let letters: Vec<(Vec<u8>, u64)> =
        script.key(list(settings)).arg(away).invoke_async(&mut connection).await?;
    let aged = |(letter, micros)| (letter, Duration::from_micros(micros));
    Ok(letters.into_iter().map(aged).collect())
}
