//! The store of a node that is alone, between those who are connected here and those who are
//! visible.

use std::time::Instant;

use super::fact::Fact;
use crate::{
    name::{ConnectionId, UserId},
    roster::{Answer, Farewell, PlaceId, SeatId, Seats, View},
};

/// The members of one group: those who are connected here, those who are visible, and the store
/// of a node that is alone between them.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    seats: Seats,
    pub(crate) view: View,
    /// How often a user was back within the grace since the last look.
    returned: u64,
}

/// What a join has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seated {
    /// The user had no seat.
    New,
    /// The user had none, and is shown as before, since nobody has been told of the leave.
    Back,
    /// The user had one by a grace alone, and has a connection again.
    Returned,
    /// The user had one.
    Already,
}

impl Roster {
    /// Counts a connection of `user` in, who has this seat if it is still there.
    pub(crate) fn join(
        &mut self,
        seat: Option<SeatId>,
        connection: ConnectionId,
        user: &UserId,
    ) -> (SeatId, Seated) {
        let known = seat.and_then(|seat| Some((seat, self.seats.join(seat, connection)?)));
        match known {
            Some((seat, true)) => {
                self.returned += 1;
                (seat, Seated::Returned)
            }
            Some((seat, false)) => (seat, Seated::Already),
            None => {
                let place = self.view.show_again(user);
                let seated = if place.is_some() { Seated::Back } else { Seated::New };
                (self.seats.add(connection, user.clone(), place), seated)
            }
        }
    }

    /// Shows the user of a seat like this from now on, unless what is shown was asked
    /// for later.
    pub(crate) fn show(&mut self, seat: SeatId, answer: Answer) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.place = apply(Fact::Here(&seat.user, answer), &mut self.view, seat.place);
        }
    }

    /// Counts a connection out. Says whether the seat is gone.
    pub(crate) fn leave(
        &mut self,
        seat: SeatId,
        connection: ConnectionId,
        farewell: Farewell,
        now: Instant,
    ) -> bool {
        let gone = self.seats.leave(seat, connection, farewell, now);
        gone.map(|seat| self.hide(seat.place)).is_some()
    }

    /// Ends the graces that are over. Gives the users whose seats are gone.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<(UserId, SeatId)> {
        let mut gone = Vec::new();
        while let Some((id, seat)) = self.seats.expire(now) {
            self.hide(seat.place);
            gone.push((seat.user, id));
        }
        gone
    }

    /// Ends the grace of a seat, which is gone then where no connection is left. Says whether it
    /// is.
    pub(crate) fn evict(&mut self, seat: SeatId) -> bool {
        let gone = self.seats.evict(seat);
        gone.map(|seat| self.hide(seat.place)).is_some()
    }

    fn hide(&mut self, place: Option<PlaceId>) {
        apply(Fact::Gone, &mut self.view, place);
    }

    /// Until when a user without a connection stays.
    pub(crate) fn grace_of(&self, seat: SeatId) -> Option<Instant> {
        self.seats.grace_of(seat)
    }

    /// When to look for graces that are over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.seats.deadline()
    }

    /// Whether the user of a seat is shown.
    pub(crate) fn is_shown(&self, seat: SeatId) -> bool {
        self.seats.get(seat).is_some_and(|seat| seat.place.is_some())
    }

    /// Whether there is this seat and its user is not shown yet.
    pub(crate) fn is_hidden(&self, seat: SeatId) -> bool {
        self.seats.get(seat).is_some_and(|seat| seat.place.is_none())
    }

    /// Everybody who has a seat.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.seats.iter().map(|seat| &seat.user)
    }

    /// How many changes came to nothing since the last call: a user was back within the
    /// grace, or before anybody was told of the leave, or gone before the join was.
    pub(crate) fn take_cancelled(&mut self) -> u64 {
        std::mem::take(&mut self.returned) + self.view.take_cancelled()
    }

    /// Whether nobody has a seat and nothing is left to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.view.is_empty()
    }

    /// How many there is room for in all its tables.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        self.seats.capacity() + self.view.capacity()
    }

    /// As the user of a seat is shown.
    #[cfg(test)]
    pub(super) fn member(&self, seat: SeatId) -> Option<&crate::roster::Member> {
        self.view.member(self.seats.get(seat)?.place?)
    }
}

/// Applies a fact about the user with this place in the view, if there is one. Gives the place that
/// the user has now.
fn apply(fact: Fact<'_>, view: &mut View, place: Option<PlaceId>) -> Option<PlaceId> {
    match (fact, place) {
        (Fact::Here(user, answer), None) => Some(view.show(user, answer)),
        (Fact::Here(_, answer), Some(place)) => {
            view.update(place, answer);
            Some(place)
        }
        (Fact::Gone, Some(place)) => {
            view.hide(place);
            None
        }
        (Fact::Gone, None) => None,
    }
}
