//! What a Redis server says of itself.

use std::time::{Duration, Instant};

use tests::Store;
use tokio::time::sleep;

use crate::{Failure, subject::Subject};

/// The channel that each node of a subject listens to, whoever is connected.
fn channel(subject: Subject) -> &'static str {
    match subject {
        Subject::Peer => "umbral:realtime:events",
        _ => "umbral:t:a",
    }
}

/// Waits until so many nodes of a subject listen.
pub(crate) async fn listened(store: &Store, subject: Subject, nodes: usize) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let answer = store.ask(&["PUBSUB", "NUMSUB", channel(subject)]).await;
        if answer.lines().last().and_then(|line| line.trim().parse().ok()) == Some(nodes) {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("{subject}: not all of {nodes} nodes listen: {answer}").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Its answer to `INFO`.
pub(crate) struct Info(String);

impl Info {
    pub(crate) async fn of(store: &Store) -> Self {
        Self(store.ask(&["INFO", "ALL"]).await)
    }

    /// What stands behind a name.
    fn text(&self, name: &str) -> Result<&str, Failure> {
        let text = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(text.ok_or(format!("no {name} in INFO"))?.trim())
    }

    /// The processor time that it has taken.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let (user, sys) = (self.text("used_cpu_user")?, self.text("used_cpu_sys")?);
        Ok(Duration::from_secs_f64(user.parse::<f64>()? + sys.parse::<f64>()?))
    }

    /// How often a command has been carried out, by scripts too.
    pub(crate) fn calls(&self, command: &str) -> Result<u32, Failure> {
        let Ok(about) = self.text(&format!("cmdstat_{command}")) else { return Ok(0) };
        Ok(part(about, "calls=")?.parse()?)
    }

    /// The time that a script takes.
    pub(crate) fn script(&self) -> Result<Duration, Failure> {
        let each: f64 = part(self.text("cmdstat_evalsha")?, "usec_per_call=")?.parse()?;
        Ok(Duration::from_secs_f64(each / 1e6))
    }

    /// The bytes that it had sent before this answer, and with it.
    pub(crate) fn sent(&self) -> Result<(u64, u64), Failure> {
        let before = self.text("total_net_output_bytes")?.parse()?;
        Ok((before, before + self.0.len() as u64))
    }
}

fn part<'a>(about: &'a str, name: &str) -> Result<&'a str, Failure> {
    let found = about.split(',').find_map(|part| part.strip_prefix(name));
    Ok(found.ok_or_else(|| format!("no {name} in {about}"))?)
}

/// The memory of all keys.
pub(crate) async fn memory(store: &Store) -> Result<u64, Failure> {
    const MEMORY: &str = "local n = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  n = n + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')
end
return n";
    Ok(store.ask(&["EVAL", MEMORY, "0"]).await.trim().parse()?)
}

/// Waits until it has facts of so many users, which is asked seldom.
pub(crate) async fn stored(store: &Store, members: u32) -> Result<(), Failure> {
    const COUNT: &str = "local n = 0
for _, key in ipairs(redis.call('KEYS', '*:g:*')) do n = n + redis.call('HLEN', key) end
return n";
    let start = Instant::now();
    while store.ask(&["EVAL", COUNT, "0"]).await.trim().parse() != Ok(members) {
        if start.elapsed() > Duration::from_secs(60) {
            return Err("not all is stored".into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
