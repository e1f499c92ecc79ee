//! The store of a node that is alone.

use super::fact::Fact;
use crate::roster::{PlaceId, View};

/// Applies a fact about the user with this place in the view, if there is one. Gives the place that
/// the user has now.
pub(super) fn apply(fact: Fact<'_>, view: &mut View, place: Option<PlaceId>) -> Option<PlaceId> {
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
