//! Who is connected here to one group: a seat for each user, with the connections that hold it
//! and the grace that may.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

use smallvec::SmallVec;

use super::{
    slab::{Id, Slab},
    view::PlaceId,
};
use crate::name::{ConnectionId, UserId};

/// Names a seat within its group. One that is gone is never named again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeatId(Id);

/// It does not pay to forget fewer graces.
const FEW: usize = 64;

/// How a connection leaves a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// It said so: its user leaves at once.
    Goodbye,
    /// It broke off: its user stays until then, for it may be a reload.
    BrokenOff { until: Instant },
}

/// The seats of one group.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    seats: Slab<Seat>,
    /// When graces are over. One that its seat does not have any more counts for nothing.
    graces: BinaryHeap<Reverse<(Instant, SeatId)>>,
    /// How many of them count.
    staying: usize,
}

/// One user's place in the group.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) user: UserId,
    /// By id, not by number alone: a stale goodbye must not count for a newer connection.
    connections: SmallVec<[ConnectionId; 1]>,
    /// Until when the user stays although the last connection was lost.
    grace: Option<Instant>,
    /// Where the user stands in the view; `None` until the resolver has succeeded.
    pub(crate) place: Option<PlaceId>,
}

impl Seats {
    pub(crate) fn get(&self, seat: SeatId) -> Option<&Seat> {
        self.seats.get(seat.0)
    }

    pub(crate) fn get_mut(&mut self, seat: SeatId) -> Option<&mut Seat> {
        self.seats.get_mut(seat.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// How many there is room for in all its tables.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        self.seats.capacity() + self.graces.capacity()
    }

    /// A seat of a user who has none.
    pub(crate) fn add(
        &mut self,
        connection: ConnectionId,
        user: UserId,
        place: Option<PlaceId>,
    ) -> SeatId {
        let connections = SmallVec::from_buf([connection]);
        SeatId(self.seats.insert(Seat { user, connections, grace: None, place }))
    }

    /// Counts a connection in at a seat that there is. Says whether the user was there by a grace
    /// alone; `None` where there is no such seat.
    pub(crate) fn join(&mut self, seat: SeatId, connection: ConnectionId) -> Option<bool> {
        let seat = self.seats.get_mut(seat.0)?;
        let is_alone = seat.connections.is_empty();
        if !seat.connections.contains(&connection) {
            seat.connections.push(connection);
        }
        self.staying -= usize::from(seat.grace.take().is_some());
        Some(is_alone)
    }

    /// Counts a connection out. Gives the seat where nothing holds it any more.
    pub(crate) fn leave(
        &mut self,
        id: SeatId,
        connection: ConnectionId,
        farewell: Farewell,
        now: Instant,
    ) -> Option<Seat> {
        let seat = self.seats.get_mut(id.0)?;
        let at = seat.connections.iter().position(|&other| other == connection)?;
        seat.connections.swap_remove(at);
        if let Farewell::BrokenOff { until } = farewell
            && until > now
            && seat.grace.is_none_or(|grace| grace < until)
        {
            self.staying += usize::from(seat.grace.replace(until).is_none());
            self.graces.push(Reverse((until, id)));
        }
        let is_over = seat.connections.is_empty() && seat.grace.is_none_or(|until| until <= now);
        self.forget_graces();
        if is_over { self.vacate(id) } else { None }
    }

    /// The next seat whose grace is over by now and that nothing else holds.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(SeatId, Seat)> {
        while let Some(Reverse((until, id))) = self.graces.peek().copied()
            && until <= now
        {
            self.graces.pop();
            let Some(seat) = self.seats.get_mut(id.0).filter(|seat| seat.grace == Some(until))
            else {
                continue;
            };
            seat.grace = None;
            self.staying -= 1;
            if seat.connections.is_empty()
                && let Some(seat) = self.vacate(id)
            {
                return Some((id, seat));
            }
        }
        if self.graces.capacity() > 4 * self.graces.len() + FEW {
            self.graces.shrink_to(2 * self.graces.len());
        }
        None
    }

    /// Ends the grace of a seat. Gives the seat where no connection holds it.
    pub(crate) fn evict(&mut self, id: SeatId) -> Option<Seat> {
        let seat = self.seats.get_mut(id.0)?;
        self.staying -= usize::from(seat.grace.take().is_some());
        let is_alone = seat.connections.is_empty();
        if is_alone { self.vacate(id) } else { None }
    }

    fn vacate(&mut self, id: SeatId) -> Option<Seat> {
        let seat = self.seats.remove(id.0)?;
        self.staying -= usize::from(seat.grace.is_some());
        Some(seat)
    }

    /// Until when a user without a connection stays.
    pub(crate) fn grace_of(&self, seat: SeatId) -> Option<Instant> {
        self.seats.get(seat.0).filter(|seat| seat.connections.is_empty())?.grace
    }

    /// When to look for graces that are over. That may be too early.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.graces.peek().filter(|_| self.staying > 0).map(|Reverse((until, _))| *until)
    }

    /// Forgets the graces that do not count, where they are most of them: those of a user who
    /// reloads a page again and again.
    fn forget_graces(&mut self) {
        if self.graces.len() > 2 * self.staying + FEW {
            let seats = &self.seats;
            self.graces.retain(|Reverse((until, id))| {
                seats.get(id.0).is_some_and(|seat| seat.grace == Some(*until))
            });
        }
    }
}
