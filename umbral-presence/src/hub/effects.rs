//! What is left to do when every lock has been let go.

use std::{fmt, mem, sync::Arc};

use super::Hub;
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

/// A task lets others go on when it has told so many pages of subscribers.
const PAGES: usize = 16;

/// What the groups that were used have come to. It is done when this is dropped: whoever takes
/// a lock makes this *before*, since values are dropped in the reverse order.
///
/// 1. Seats whose graces have ended are taken from their users: a user is locked before a group,
///    so it cannot be done under the group's lock.
/// 2. Subscribers are told of changes.
/// 3. Those who have something to read are woken.
pub(super) struct Effects<'h> {
    hub: &'h Hub,
    pub(super) wakes: Wakes,
    pub(super) deliveries: Vec<(Arc<GroupCell>, Delivery)>,
    pub(super) gone: Vec<Gone>,
}

/// Seats of a group whose graces have ended, and whose they were.
type Gone = (Arc<GroupCell>, Vec<(UserId, SeatId)>);

impl Hub {
    pub(super) fn effects(&self) -> Effects<'_> {
        Effects { hub: self, wakes: Wakes::default(), deliveries: Vec::new(), gone: Vec::new() }
    }

    /// Tells the subscribers of a group what has changed.
    fn deliver(&self, cell: Arc<GroupCell>, delivery: Delivery, wakes: &mut Wakes) {
        if delivery.len() > BY_A_TASK
            && let (Some(hub), Ok(runtime)) =
                (self.me.upgrade(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                let mut carried = Carried { hub: &hub, cell, delivery: Some(delivery) };
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
struct Carried<'h> {
    hub: &'h Hub,
    cell: Arc<GroupCell>,
    delivery: Option<Delivery>,
}

impl Carried<'_> {
    /// Says whether there is more to do.
    fn go_on(&mut self) -> bool {
        let mut wakes = Wakes::default();
        let Some(delivery) = &mut self.delivery else {
            return false;
        };
        (0..PAGES).all(|_| delivery.go_on(&self.hub.teller, &mut wakes))
    }
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        while self.go_on() {}
        if let Some(delivery) = self.delivery.take() {
            self.hub.delivered(&self.cell, &delivery);
        }
    }
}

impl Drop for Effects<'_> {
    fn drop(&mut self) {
        for (cell, users) in mem::take(&mut self.gone) {
            for (id, seat) in users {
                if let Some(user) = self.hub.users.get(&id) {
                    self.hub.users.change(&user, |at| at.unseat(&cell, seat));
                }
            }
        }
        for (cell, delivery) in mem::take(&mut self.deliveries) {
            self.hub.deliver(cell, delivery, &mut self.wakes);
        }
    }
}

impl fmt::Debug for Effects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects").finish_non_exhaustive()
    }
}
