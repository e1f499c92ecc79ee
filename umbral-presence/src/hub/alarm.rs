//! Wakes groups at their time: ends of ticks and of graces. One task for all groups.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::time::DelayQueue;

use super::{GroupCell, Hub};

/// A wake-up that is asked for. A group that is gone by then needs none.
type Alarm = (Instant, Weak<GroupCell>);

/// The way to the task that waits.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    /// Started with the first alarm, since a hub is made before its runtime may run.
    task: Mutex<Option<mpsc::UnboundedSender<Alarm>>>,
}

impl Alarms {
    /// Has `group` woken at `at`. Outside of a runtime nothing can wait; the group then
    /// settles when it is next used.
    pub(crate) fn set(&self, at: Instant, group: &Arc<GroupCell>, hub: &Weak<Hub>) {
        let alarm = (at, Arc::downgrade(group));
        let mut task = self.task.lock();
        let alarm = match task.as_ref().map(|task| task.send(alarm.clone())) {
            Some(Ok(())) => return,
            // The task has ended with the runtime that it ran on.
            Some(Err(mpsc::error::SendError(alarm))) => alarm,
            None => alarm,
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        runtime.spawn(run(receiver, hub.clone()));
        if sender.send(alarm).is_ok() {
            *task = Some(sender);
        }
    }
}

/// Ends when the hub is gone, and the sending half with it.
async fn run(mut alarms: mpsc::UnboundedReceiver<Alarm>, hub: Weak<Hub>) {
    let mut waiting = DelayQueue::new();
    loop {
        tokio::select! {
            alarm = alarms.recv() => match alarm {
                Some((at, group)) => {
                    waiting.insert_at(group, at.into());
                }
                None => return,
            },
            Some(due) = waiting.next() => {
                let (Some(hub), Some(group)) = (hub.upgrade(), due.into_inner().upgrade()) else {
                    continue;
                };
                hub.wake(&group);
            }
        }
    }
}
