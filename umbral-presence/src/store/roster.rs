//! The members of one group: those who are connected here, those who are visible, and what stands
//! between them.

use std::time::Instant;

#[cfg(not(feature = "redis"))]
use super::alone::{Nodes, Wait};
#[cfg(feature = "redis")]
use super::redis::{Nodes, Shared, Wait};
use super::{fact::Fact, local};
use crate::{
    name::{ConnectionId, UserId},
    roster::{Answer, Farewell, Seat, SeatId, Seats, View},
};

/// The members of one group.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    seats: Seats,
    pub(crate) view: View,
    between: Between,
    /// How often a user was back within the grace since the last look.
    returned: u64,
    /// Somebody has been shown since the last look.
    has_shown: bool,
}

/// What stands between those who are connected here and those who are visible.
#[derive(Debug, Default)]
enum Between {
    /// Nothing: this node is alone.
    #[default]
    Local,
    /// What all nodes say.
    #[cfg(feature = "redis")]
    Shared(Box<Shared>),
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
    /// The roster of a group that is new to this node, and that other nodes may have too.
    pub(crate) fn of(nodes: &Nodes, now: Instant) -> Self {
        #[cfg(feature = "redis")]
        if let Some(shared) = nodes.group(now) {
            return Self { between: Between::Shared(Box::new(shared)), ..Self::default() };
        }
        let _ = (nodes, now);
        Self::default()
    }

    /// What all nodes say, and who is visible for it.
    #[cfg(feature = "redis")]
    pub(crate) fn parts(&mut self) -> Option<(&mut Shared, &mut View)> {
        match &mut self.between {
            Between::Local => None,
            Between::Shared(shared) => Some((shared, &mut self.view)),
        }
    }

    /// To be waited for until it is known what other nodes say.
    pub(crate) fn wait(&mut self) -> Option<Wait> {
        match &mut self.between {
            Between::Local => None,
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.wait(),
        }
    }

    /// To be waited for until the store has what this node says of a user.
    pub(crate) fn wait_for(&mut self, user: &UserId) -> Option<Wait> {
        match &mut self.between {
            Between::Local => {
                let _ = user;
                None
            }
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.wait_for(user),
        }
    }

    /// Whether the store is to look at the group, since the last call.
    pub(crate) fn take_due(&mut self) -> bool {
        match &mut self.between {
            Between::Local => false,
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.take_due(),
        }
    }

    /// Whether a user is visible, who has this seat here if any.
    pub(crate) fn shows(&self, user: &UserId, seat: Option<SeatId>) -> bool {
        match &self.between {
            Between::Local => {
                let _ = user;
                seat.is_some_and(|seat| self.is_shown(seat))
            }
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.is_shown(user),
        }
    }

    /// Until when nobody is told of the group, since it is not known yet what other nodes say.
    pub(crate) fn holds_until(&self) -> Option<Instant> {
        match &self.between {
            Between::Local => None,
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.holds_until(),
        }
    }

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
                let place = match self.between {
                    Between::Local => self.view.show_again(user),
                    #[cfg(feature = "redis")]
                    Between::Shared(_) => None,
                };
                let seated = if place.is_some() { Seated::Back } else { Seated::New };
                (self.seats.add(connection, user.clone(), place), seated)
            }
        }
    }

    /// Shows the user of a seat like this from now on, unless what is shown was asked
    /// for later.
    pub(crate) fn show(&mut self, seat: SeatId, answer: Answer) {
        let Some(seat) = self.seats.get_mut(seat) else {
            return;
        };
        self.has_shown = true;
        match &mut self.between {
            Between::Local => {
                let fact = Fact::Here(&seat.user, answer);
                seat.place = local::apply(fact, &mut self.view, seat.place);
            }
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.say(&seat.user, Some(answer), &mut self.view),
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
        gone.map(|seat| self.hide(&seat)).is_some()
    }

    /// Ends the graces that are over. Gives the users whose seats are gone.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<(UserId, SeatId)> {
        let mut gone = Vec::new();
        while let Some((id, seat)) = self.seats.expire(now) {
            self.hide(&seat);
            gone.push((seat.user, id));
        }
        gone
    }

    /// Ends the grace of a seat, which is gone then where no connection is left. Says whether it
    /// is.
    pub(crate) fn evict(&mut self, seat: SeatId) -> bool {
        let gone = self.seats.evict(seat);
        gone.map(|seat| self.hide(&seat)).is_some()
    }

    fn hide(&mut self, seat: &Seat) {
        match &mut self.between {
            Between::Local => {
                local::apply(Fact::Gone, &mut self.view, seat.place);
            }
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.say(&seat.user, None, &mut self.view),
        }
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
        self.seats.get(seat).is_some_and(|seat| self.is_placed(seat))
    }

    /// Whether there is this seat and its user is not shown yet.
    pub(crate) fn is_hidden(&self, seat: SeatId) -> bool {
        self.seats.get(seat).is_some_and(|seat| !self.is_placed(seat))
    }

    fn is_placed(&self, seat: &Seat) -> bool {
        match &self.between {
            Between::Local => seat.place.is_some(),
            #[cfg(feature = "redis")]
            Between::Shared(shared) => shared.is_here(&seat.user),
        }
    }

    /// How many have a seat.
    pub(crate) fn seat_count(&self) -> usize {
        self.seats.len()
    }

    /// Everybody who has a seat.
    pub(crate) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.seats.iter().map(|seat| &seat.user)
    }

    /// Whether somebody has been shown since the last call.
    pub(crate) fn take_shown(&mut self) -> bool {
        std::mem::take(&mut self.has_shown)
    }

    /// How many changes came to nothing since the last call: a user was back within the
    /// grace, or before anybody was told of the leave, or gone before the join was.
    pub(crate) fn take_cancelled(&mut self) -> u64 {
        std::mem::take(&mut self.returned) + self.view.take_cancelled()
    }

    /// Whether nobody has a seat and nothing is left to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
            && match &self.between {
                Between::Local => self.view.is_empty(),
                #[cfg(feature = "redis")]
                Between::Shared(shared) => shared.is_idle(),
            }
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
