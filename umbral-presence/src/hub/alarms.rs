//! Wakes groups at their time, for the ends of ticks and of graces, and looks after
//! connections that nobody reads. One task for a whole hub waits; where many groups are due at
//! once, other tasks wake them.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{MissedTickBehavior, interval_at},
};
use tokio_util::time::{DelayQueue, delay_queue::Key};

use crate::{clock::now, group::GroupCell};

/// How often connections are looked after.
const SWEEP: Duration = Duration::from_secs(5);

/// So many groups are woken by one task, at most.
const TOGETHER: usize = 16;

/// A wake-up that is asked for. A group that is gone by then needs none.
type Alarm = (Instant, Weak<GroupCell>);

/// What has alarms.
pub(super) trait Due: Send + Sync + 'static {
    /// Does what is due in a group.
    fn wake(&self, cell: &Arc<GroupCell>);

    /// Does what is due in every group, and has each woken when more will be.
    fn wake_all(&self);

    /// Looks after the connections.
    fn sweep(&self);
}

/// The way to the task that waits.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    task: Mutex<Option<mpsc::UnboundedSender<Alarm>>>,
}

impl Alarms {
    /// Has `group` woken at `at`, and no more at the time that was asked for before. Says
    /// whether it will be: outside of a runtime nothing can wait.
    pub(super) fn set(&self, at: Instant, group: &Arc<GroupCell>, hub: &Weak<impl Due>) -> bool {
        let alarm = (at, Arc::downgrade(group));
        self.task(hub).is_some_and(|task| task.send(alarm).is_ok())
    }

    /// Starts the task where it does not run: a hub is made before its runtime may run, and
    /// may outlive it.
    pub(super) fn start(&self, hub: &Weak<impl Due>) {
        self.task(hub);
    }

    fn task(&self, hub: &Weak<impl Due>) -> Option<mpsc::UnboundedSender<Alarm>> {
        let mut task = self.task.lock();
        if let Some(running) = task.as_ref().filter(|task| !task.is_closed()) {
            return Some(running.clone());
        }
        let runtime = Handle::try_current().ok()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        runtime.spawn(run(receiver, hub.clone()));
        *task = Some(sender.clone());
        Some(sender)
    }
}

/// Ends when the hub is gone, and the sending half with it.
async fn run(mut alarms: mpsc::UnboundedReceiver<Alarm>, hub: Weak<impl Due>) {
    let mut queue = Queue::default();
    let mut sweep = interval_at(tokio::time::Instant::now() + SWEEP, SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_sweep = now();
    if let Some(hub) = hub.upgrade() {
        // Alarms are lost with the runtime that they waited in.
        hub.wake_all();
    }
    loop {
        tokio::select! {
            alarm = alarms.recv() => match alarm {
                Some((at, group)) => queue.set(at, group),
                None => return,
            },
            Some(group) = queue.next() => {
                let mut due = vec![group];
                while let Some(Some(group)) = queue.next().now_or_never() {
                    due.push(group);
                }
                // On other workers, so that telling many groups is not one worker's task.
                for more in due.split_off(due.len().min(TOGETHER)).chunks(TOGETHER) {
                    let (hub, more) = (hub.clone(), more.to_vec());
                    tokio::spawn(async move { wake(&hub, &more) });
                }
                wake(&hub, &due);
            }
            _ = sweep.tick() => {
                // Where the process stood still, clients have their say before they are judged.
                let before = std::mem::replace(&mut last_sweep, now());
                let stood_still = last_sweep > before + 3 * SWEEP;
                if let Some(hub) = hub.upgrade().filter(|_| !stood_still) {
                    hub.sweep();
                }
            }
        }
    }
}

fn wake(hub: &Weak<impl Due>, groups: &[Weak<GroupCell>]) {
    let Some(hub) = hub.upgrade() else {
        return;
    };
    for group in groups.iter().filter_map(Weak::upgrade) {
        hub.wake(&group);
    }
}

/// The groups that wait, each once however often it has asked.
#[derive(Default)]
struct Queue {
    waiting: DelayQueue<Weak<GroupCell>>,
    /// By address: a weak reference keeps the place in memory, so that no other group can
    /// have the same.
    entries: HashMap<usize, Key>,
}

impl Queue {
    fn set(&mut self, at: Instant, group: Weak<GroupCell>) {
        let address = group.as_ptr().addr();
        if let Some(entry) = self.entries.get(&address) {
            self.waiting.reset_at(entry, at.into());
        } else {
            self.entries.insert(address, self.waiting.insert_at(group, at.into()));
        }
    }

    /// The groups whose time has come; `None` while none waits.
    async fn next(&mut self) -> Option<Weak<GroupCell>> {
        let group = self.waiting.next().await?.into_inner();
        self.entries.remove(&group.as_ptr().addr());
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::{
        hub::testing::{self, user},
        limits::Limits,
        spec::PresenceSpec,
        store::Roster,
        wire::Transport,
    };

    fn group(name: &str) -> Arc<GroupCell> {
        let (name, roster) = (testing::group(name), Roster::default());
        Arc::new(GroupCell::new(name, None, roster, &Limits::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_once_however_often_it_asks_and_is_woken_at_the_last_time() {
        let (first, second) = (group("room:1"), group("room:2"));
        let (start, second_long) = (now(), Duration::from_secs(1));
        let mut queue = Queue::default();
        for n in 0..1000 {
            queue.set(start + n * second_long, Arc::downgrade(&first));
        }
        queue.set(start + 2 * second_long, Arc::downgrade(&first));
        queue.set(start + second_long, Arc::downgrade(&second));
        assert_eq!((queue.waiting.len(), queue.entries.len()), (2, 2));
        for (cell, at) in [(&second, 1), (&first, 2)] {
            assert!(queue.next().await.unwrap().ptr_eq(&Arc::downgrade(cell)));
            let late = (now() - start).saturating_sub(at * second_long);
            assert!(late < Duration::from_millis(5), "{late:?}");
        }
        assert!(queue.next().await.is_none() && queue.entries.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_gone_long_before_its_alarm_waits_no_longer() {
        let long = PresenceSpec::prefixes(["room:"]).grace(Duration::from_mins(10));
        let hub = testing::hub([long], Limits::default());
        let (sender, mut alarms) = mpsc::unbounded_channel();
        *hub.alarms.task.lock() = Some(sender);
        let groups = (0..100).map(|n| testing::group(&format!("room:{n}")));
        let verdict = testing::allowed(&hub, groups);
        drop(testing::open(&hub, "7", Transport::Sse, &verdict).unwrap());
        let mut queue = Queue::default();
        while let Ok((at, group)) = alarms.try_recv() {
            queue.set(at, group);
        }
        assert_eq!(queue.waiting.len(), 100);
        sleep(Duration::from_secs(1)).await;
        hub.disconnect(&user("7"));
        while let Ok((at, group)) = alarms.try_recv() {
            queue.set(at, group);
        }
        while let Ok(Some(group)) = timeout(Duration::from_secs(1), queue.next()).await {
            assert!(group.upgrade().is_none());
        }
        assert_eq!((queue.waiting.len(), queue.entries.len()), (0, 0));
    }
}
