//! How long it takes from asking to join until everybody has been told of it.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{error::Elapsed, timeout},
};

use crate::{client::Change, leaves::Leaves};

/// Far more than it takes.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// The newcomers who are looked at, and those whom each of them is told to.
#[derive(Debug)]
pub(crate) struct Arrivals {
    start: Instant,
    first: u32,
    newcomers: Vec<Newcomer>,
    told: Mutex<Vec<Duration>>,
    progress: Notify,
}

#[derive(Debug)]
struct Newcomer {
    /// Nanoseconds from the start to the request.
    asked: AtomicU64,
    /// How many have not been told.
    untold: AtomicU32,
}

/// What a connection has to do with them.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Nothing.
    None,
    /// It is told of them.
    Told(Arc<Arrivals>),
    /// It is a newcomer's.
    Newcomer(Arc<Arrivals>),
    /// It notes who is said to have left.
    Watcher(Arc<Leaves>),
}

impl Arrivals {
    /// Those of `users`, each of whom is told to so many.
    pub(crate) fn of(users: Range<u32>, told_to: u32) -> Arc<Self> {
        let first = users.start;
        let newcomer = |_| Newcomer { asked: 0.into(), untold: told_to.into() };
        Arc::new(Self {
            start: Instant::now(),
            first,
            newcomers: users.map(newcomer).collect(),
            told: Mutex::default(),
            progress: Notify::new(),
        })
    }

    fn newcomer(&self, user: u32) -> Option<&Newcomer> {
        let at = user.checked_sub(self.first)?;
        self.newcomers.get(usize::try_from(at).ok()?)
    }

    /// How long it took for each who has been told to all.
    pub(crate) fn told(&self) -> Vec<Duration> {
        self.told.lock().clone()
    }

    /// Waits until so many have been told to all.
    pub(crate) async fn wait_for(&self, count: usize) -> Result<(), Elapsed> {
        let is_told = async {
            loop {
                let progress = self.progress.notified();
                if self.told.lock().len() >= count {
                    return;
                }
                progress.await;
            }
        };
        timeout(TOLD_WITHIN, is_told).await
    }

    /// A connection has been told, at `now`, that the user has joined.
    fn sees(&self, user: u32, now: Instant) {
        let Some(newcomer) = self.newcomer(user) else { return };
        if newcomer.untold.fetch_sub(1, Ordering::Relaxed) == 1 {
            let asked = newcomer.asked.load(Ordering::Relaxed);
            let took = self.since_start(now).saturating_sub(asked);
            self.told.lock().push(Duration::from_nanos(took));
            self.progress.notify_one();
        }
    }

    fn since_start(&self, now: Instant) -> u64 {
        let nanoseconds = now.saturating_duration_since(self.start).as_nanos();
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

impl Part {
    /// The user's request is about to be sent.
    pub(crate) fn asks(&self, user: Option<u32>) {
        if let Self::Newcomer(arrivals) = self
            && let Some(newcomer) = user.and_then(|user| arrivals.newcomer(user))
        {
            newcomer.asked.store(arrivals.since_start(Instant::now()), Ordering::Relaxed);
        }
    }

    /// The connection has been told something, at `now`.
    pub(crate) fn sees(&self, change: Change, now: Instant) {
        match (self, change) {
            (Self::Told(arrivals), Change::Join(user)) => arrivals.sees(user, now),
            (Self::Watcher(leaves), Change::Leave(user)) => leaves.note(user, now),
            _ => {}
        }
    }
}
