//! The users who wait for batch resolvers.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    hash::{Keyed, KeyedMap},
    name::{GroupName, UserId},
    spec::PresenceSpec,
};

/// The most users of one call.
const MAX_BATCH: usize = 1000;

/// The users who wait for a batch resolver, by the address of its spec, which lives as long
/// as the hub.
#[derive(Debug, Default)]
pub(super) struct Batches {
    of_specs: Mutex<HashMap<usize, Batch>>,
    /// Shared with each call that is under way.
    #[cfg(feature = "test")]
    calls: Arc<()>,
}

#[derive(Debug, Default)]
struct Batch {
    waiting: Pending,
    /// Calls the resolver for as long as somebody waits. It may have ended with its runtime.
    task: Option<JoinHandle<()>>,
    /// Users whom a task will ask for again, and when.
    again: KeyedMap<UserId, Instant>,
}

/// Users who are to be shown once the resolver has answered.
pub(super) type Pending = IndexMap<UserId, PendingUser, Keyed>;

/// Where a user waits to be shown.
#[derive(Debug, Default)]
pub(super) struct PendingUser {
    pub(super) groups: BTreeSet<GroupName>,
    /// How often the resolver has been asked in vain.
    pub(super) failures: u32,
}

impl Batches {
    /// Adds users to those who wait, and starts a task for the spec where none runs.
    pub(super) fn add(
        &self,
        spec: &Arc<PresenceSpec>,
        users: Pending,
        start: impl FnOnce() -> Option<JoinHandle<()>>,
    ) {
        let mut batches = self.of_specs.lock();
        let batch = batches.entry(Arc::as_ptr(spec).addr()).or_default();
        for (user, PendingUser { groups, failures }) in users {
            let waiting = batch.waiting.entry(user).or_default();
            waiting.groups.extend(groups);
            waiting.failures = waiting.failures.max(failures);
        }
        if batch.task.as_ref().is_none_or(JoinHandle::is_finished) {
            batch.task = start();
        }
    }

    /// Leaves those out who will be asked for again anyway; the others are from now on.
    pub(super) fn put_off(
        &self,
        spec: &Arc<PresenceSpec>,
        users: &mut Vec<UserId>,
        until: Instant,
    ) {
        let mut batches = self.of_specs.lock();
        let batch = batches.entry(Arc::as_ptr(spec).addr()).or_default();
        let now = Instant::now();
        batch.again.retain(|_, due| *due > now);
        users.retain(|user| match batch.again.entry(user.clone()) {
            // The task that will ask then does so for all groups.
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(until);
                true
            }
        });
    }

    /// Whether somebody waits, or a call is under way.
    #[cfg(feature = "test")]
    pub(super) fn are_busy(&self) -> bool {
        let batches = self.of_specs.lock();
        let mut tasks = batches.values().filter_map(|batch| batch.task.as_ref());
        tasks.any(|task| !task.is_finished()) || Arc::strong_count(&self.calls) > 1
    }

    /// To be held while a resolver is called, which may last longer than the task.
    #[cfg(feature = "test")]
    pub(super) fn begin_call(&self) -> Arc<()> {
        self.calls.clone()
    }

    /// The users of the next call; `None` where nobody waits, which ends the task.
    pub(super) fn take(&self, spec: &Arc<PresenceSpec>) -> Option<Pending> {
        let mut batches = self.of_specs.lock();
        let batch = batches.get_mut(&Arc::as_ptr(spec).addr())?;
        if batch.waiting.is_empty() {
            batch.task = None;
            return None;
        }
        let rest = batch.waiting.split_off(batch.waiting.len().min(MAX_BATCH));
        Some(std::mem::replace(&mut batch.waiting, rest))
    }
}
