//! Telling the subscribers of groups what has changed: when a use of a group ends, and when an
//! alarm is due.

use std::sync::Arc;

use super::{alarms::Due, core::Hub, effects::Finish};
use crate::{
    clock::now,
    group::{Delivery, GroupCell},
    name::UserId,
    roster::SeatId,
    wakes::Wakes,
};

/// More subscribers than this are told by a task of its own, so that nobody who joins waits
/// until they have been.
const BY_A_TASK: usize = 2048;

/// A task lets others go on when it has told so many rows of subscribers.
const ROWS: usize = 16;

impl Finish for Hub {
    fn unseat(&self, user: &UserId, cell: &Arc<GroupCell>, seat: SeatId) {
        if let Some(user) = self.users.get(user) {
            self.users.change(&user, |at| at.unseat(cell, seat));
        }
    }

    fn deliver(&self, cell: Arc<GroupCell>, delivery: Delivery, wakes: &mut Wakes) {
        if delivery.len() > BY_A_TASK
            && let (Some(hub), Ok(runtime)) =
                (self.me.upgrade(), tokio::runtime::Handle::try_current())
        {
            // Made here: a runtime that is going down drops the task before it has begun.
            let mut carried = Carried { hub, cell, delivery: Some(delivery) };
            runtime.spawn(async move {
                while carried.go_on() {
                    tokio::task::yield_now().await;
                }
            });
            return;
        }
        let mut delivery = delivery;
        while delivery.go_on(&self.teller, wakes) {}
        self.delivered(&cell, &delivery);
    }
}

impl Due for Hub {
    fn wake(&self, cell: &Arc<GroupCell>) {
        let mut effects = self.effects();
        let mut group = cell.lock_always();
        group.alarm = None;
        self.settle(cell, group, now(), &mut effects);
    }

    fn wake_all(&self) {
        self.groups.all().iter().for_each(|cell| self.wake(cell));
    }

    fn sweep(&self) {
        self.end_lost();
    }
}

impl Hub {
    /// A delivery has been carried out: more may have changed meanwhile.
    fn delivered(&self, cell: &Arc<GroupCell>, delivery: &Delivery) {
        let mut effects = self.effects();
        let mut group = cell.lock_always();
        group.delivered(delivery, now());
        self.settle(cell, group, now(), &mut effects);
    }
}

/// A delivery that a task carries out. If the runtime drops the task, the rest is told at once:
/// the group would tell nothing any more.
struct Carried {
    hub: Arc<Hub>,
    cell: Arc<GroupCell>,
    delivery: Option<Delivery>,
}

impl Carried {
    /// Says whether there is more to do.
    fn go_on(&mut self) -> bool {
        let mut wakes = Wakes::default();
        let Some(delivery) = &mut self.delivery else {
            return false;
        };
        (0..ROWS).all(|_| delivery.go_on(&self.hub.teller, &mut wakes))
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        while self.go_on() {}
        if let Some(delivery) = self.delivery.take() {
            self.hub.delivered(&self.cell, &delivery);
        }
    }
}
