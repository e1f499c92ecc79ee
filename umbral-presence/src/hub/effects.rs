//! What is left to do when every lock has been let go.

use std::{fmt, mem, sync::Arc};

use crate::{
    group::{Delivery, GroupCell},
    name::UserId,
    roster::SeatId,
    wakes::Wakes,
};

/// Does what is left.
pub(super) trait Finish {
    /// Takes a seat that is over from its user.
    fn unseat(&self, user: &UserId, cell: &Arc<GroupCell>, seat: SeatId);

    /// Tells the subscribers of a group what has changed.
    fn deliver(&self, cell: Arc<GroupCell>, delivery: Delivery, wakes: &mut Wakes);
}

/// What is left to do for the groups that were used. It is done when this is dropped. So it is made
/// *before* a lock is taken, since values are dropped in the reverse order.
///
/// 1. Seats whose graces have ended are taken from their users: a user is locked before a group,
///    so it cannot be done under the group's lock.
/// 2. Subscribers are told of changes.
/// 3. Readers that have something to read are woken.
pub(super) struct Effects<'h> {
    by: &'h dyn Finish,
    pub(super) wakes: Wakes,
    pub(super) deliveries: Vec<(Arc<GroupCell>, Delivery)>,
    pub(super) gone: Vec<Gone>,
}

/// Seats of a group whose graces have ended, and whose they were.
type Gone = (Arc<GroupCell>, Vec<(UserId, SeatId)>);

impl<'h> Effects<'h> {
    /// Nothing yet; whatever it will be is done by `by`.
    pub(super) fn new(by: &'h dyn Finish) -> Self {
        Self { by, wakes: Wakes::default(), deliveries: Vec::new(), gone: Vec::new() }
    }
}

impl Drop for Effects<'_> {
    fn drop(&mut self) {
        for (cell, seats) in mem::take(&mut self.gone) {
            for (user, seat) in seats {
                self.by.unseat(&user, &cell, seat);
            }
        }
        for (cell, delivery) in mem::take(&mut self.deliveries) {
            self.by.deliver(cell, delivery, &mut self.wakes);
        }
    }
}

impl fmt::Debug for Effects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects").finish_non_exhaustive()
    }
}
