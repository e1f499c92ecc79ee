//! The users: each is one object while somebody holds it.
//!
//! | what | guarded by | who removes it |
//! |---|---|---|
//! | a user in the map | its shard | the code that takes the last stream or seat away |
//! | streams, connections | the user's lock | `Hub::unregister` |
//! | a seat | the user's lock | the code that vacates it, under this lock; after the end of a grace, the code that ended it, without the group's lock |
//! | a grace | the user's lock | the code that takes the seat away, or joins again |

use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc, time::Instant};

use dashmap::DashMap;

use super::revocations::Moment;
use crate::{
    group::GroupCell,
    hash::Keyed,
    name::{ConnectionId, GroupName, UserId},
    roster::SeatId,
    sync::{Mutex, MutexGuard},
};

/// The users who have a connection, or a seat.
#[derive(Debug, Default)]
pub(super) struct Users(DashMap<UserId, Arc<User>, Keyed>);

/// One user.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: UserId,
    /// Locked after the subscriptions of a connection and before a group.
    at: Mutex<Whereabouts>,
}

/// Where one user is.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    /// How many connections there are, and are about to be.
    streams: usize,
    /// Those that have been registered.
    pub(super) connections: Vec<ConnectionId>,
    /// Groups where the user has a seat, a grace included, sorted by name.
    seats: Vec<Held>,
    /// The graces, in the order in which they began.
    graces: BTreeMap<NonZeroU64, Grace>,
    /// It has been taken off the map: look it up again.
    retired: bool,
}

/// A group where a user has a seat.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) cell: Arc<GroupCell>,
    pub(super) seat: SeatId,
    /// When the policy last allowed it to a connection that has broken off.
    pub(super) allowed: Moment,
    /// The number of the grace by which alone the user is there.
    grace: Option<NonZeroU64>,
}

/// A group where a user stays without a connection, until then.
#[derive(Debug)]
pub(super) struct Grace {
    pub(super) cell: Arc<GroupCell>,
    pub(super) seat: SeatId,
    pub(super) until: Instant,
}

impl Users {
    /// The user with this id, for a stream that is about to be opened and that has to be
    /// [taken away](Whereabouts::end_stream) again.
    pub(super) fn begin_stream(&self, id: &UserId) -> Arc<User> {
        loop {
            let new = || Arc::new(User { id: id.clone(), at: Mutex::default() });
            let user = self.0.entry(id.clone()).or_insert_with(new).clone();
            let mut at = user.lock();
            if !at.retired {
                at.streams += 1;
                drop(at);
                return user;
            }
            drop(at);
            self.forget(&user);
        }
    }

    pub(super) fn get(&self, id: &UserId) -> Option<Arc<User>> {
        self.0.get(id).map(|user| user.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Changes where a user is, and forgets one of whom nothing is left.
    pub(super) fn change<T>(
        &self,
        user: &Arc<User>,
        change: impl FnOnce(&mut Whereabouts) -> T,
    ) -> T {
        let mut at = user.lock();
        let changed = change(&mut at);
        self.settle(user, at);
        changed
    }

    /// Ends a use of a user: takes it off the map where nothing is left of it.
    pub(super) fn settle(&self, user: &Arc<User>, mut at: MutexGuard<'_, Whereabouts>) {
        if at.streams == 0 && at.seats.is_empty() && !at.retired {
            at.retired = true;
            drop(at);
            self.forget(user);
        }
    }

    fn forget(&self, user: &Arc<User>) {
        self.0.remove_if(&user.id, |_, other| Arc::ptr_eq(other, user));
    }
}

impl User {
    pub(super) fn lock(&self) -> MutexGuard<'_, Whereabouts> {
        self.at.lock()
    }

    /// Whether there is a connection.
    #[cfg(feature = "redis")]
    pub(super) fn is_connected(&self) -> bool {
        !self.lock().connections.is_empty()
    }

    /// Every connection of the user. One that has departed meanwhile cannot be found any more.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.lock().connections.clone()
    }

    /// The groups where the user has a seat, a grace included.
    pub(super) fn seats(&self) -> Vec<(Arc<GroupCell>, SeatId)> {
        self.lock().seats.iter().map(|held| (held.cell.clone(), held.seat)).collect()
    }

    /// The seat of the user in a group.
    pub(super) fn seat_in(&self, name: &GroupName) -> Option<(Arc<GroupCell>, SeatId)> {
        self.lock().get_mut(name).map(|held| (held.cell.clone(), held.seat))
    }
}

impl Whereabouts {
    fn find(&self, name: &GroupName) -> Result<usize, usize> {
        self.seats.binary_search_by(|held| held.cell.name.cmp(name))
    }

    /// What is known of the user's seat in a group of this name.
    pub(super) fn get_mut(&mut self, name: &GroupName) -> Option<&mut Held> {
        self.find(name).ok().map(|at| &mut self.seats[at])
    }

    /// The seat in a group. It may be over, where nobody has taken it away yet.
    pub(super) fn seat_at(&mut self, cell: &Arc<GroupCell>) -> Option<SeatId> {
        let held = self.get_mut(&cell.name).filter(|held| Arc::ptr_eq(&held.cell, cell));
        held.map(|held| held.seat)
    }

    /// Notes a new seat, in the place of one that is over.
    pub(super) fn sit(&mut self, cell: &Arc<GroupCell>, seat: SeatId, allowed: Moment) {
        let held = Held { cell: cell.clone(), seat, allowed, grace: None };
        match self.find(&cell.name) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.seats[at], held);
                self.end_grace(before.grace);
            }
            Err(at) => {
                if self.seats.is_empty() {
                    self.seats.reserve_exact(1);
                }
                self.seats.insert(at, held);
            }
        }
    }

    /// Takes away a seat that is over.
    pub(super) fn unseat(&mut self, cell: &Arc<GroupCell>, seat: SeatId) {
        if let Ok(at) = self.find(&cell.name)
            && self.seats[at].seat == seat
            && Arc::ptr_eq(&self.seats[at].cell, cell)
        {
            let held = self.seats.remove(at);
            self.end_grace(held.grace);
        }
    }

    /// What the policy has allowed at `asked` holds for the seat too, if there is one.
    pub(super) fn note_allowed(&mut self, name: &GroupName, asked: Moment) {
        if let Some(held) = self.get_mut(name) {
            held.allowed = held.allowed.max(asked);
        }
    }

    /// Notes that the user stays in a group by a grace alone. Gives the oldest grace where there
    /// are more than `most`, which is to be ended.
    pub(super) fn begin_grace(
        &mut self,
        name: &GroupName,
        until: Instant,
        most: usize,
    ) -> Option<Grace> {
        let last = self.graces.last_key_value().map(|(last, _)| last.saturating_add(1));
        let number = last.unwrap_or(NonZeroU64::MIN);
        let held = self.get_mut(name)?;
        let before = held.grace.replace(number);
        let grace = Grace { cell: held.cell.clone(), seat: held.seat, until };
        self.end_grace(before);
        self.graces.insert(number, grace);
        if self.graces.len() <= most {
            return None;
        }
        let (_, oldest) = self.graces.pop_first()?;
        if let Some(held) = self.get_mut(&oldest.cell.name) {
            held.grace = None;
        }
        Some(oldest)
    }

    /// Notes that the user has a connection in a group again.
    pub(super) fn return_from_grace(&mut self, name: &GroupName) {
        let grace = self.get_mut(name).and_then(|held| held.grace.take());
        self.end_grace(grace);
    }

    fn end_grace(&mut self, grace: Option<NonZeroU64>) {
        if let Some(number) = grace {
            self.graces.remove(&number);
        }
    }

    /// A stream that had begun is over.
    pub(super) fn end_stream(&mut self, connection: ConnectionId) {
        self.streams -= 1;
        self.connections.retain(|other| *other != connection);
    }

    /// How many graces are counted.
    #[cfg(all(test, feature = "__shuttle"))]
    pub(super) fn graces(&self) -> usize {
        self.graces.len()
    }
}
