//! Between those who are connected to this node and those who are visible in a group.
//!
//! ```text
//! Seats (who is connected here) ─ Fact ─▶ store ─▶ View (who is visible)
//! ```
//!
//! One node has all the facts there are: its store applies each one at once, under the lock of
//! the group.

use crate::{
    name::UserId,
    roster::{Answer, PlaceId, View},
};

/// What this node says of one of its users in one group.
#[derive(Debug)]
pub(crate) enum Fact<'a> {
    /// The user is here, and is shown like this.
    Here(&'a UserId, Answer),
    /// The user is not here any more.
    Gone,
}

/// The store of a node that is alone: applies a fact about the user with this place in the view,
/// if there is one. Gives the place that the user has now.
pub(crate) fn apply(fact: Fact<'_>, view: &mut View, place: Option<PlaceId>) -> Option<PlaceId> {
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
