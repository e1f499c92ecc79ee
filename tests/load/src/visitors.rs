//! Who goes into which room.

use std::ops::Range;

use crate::client::{Room, Transport, Visitor};

/// One user each, spread over rooms of `size`, who come to a room one after the other, so that
/// each is told to those before.
pub(crate) fn spread(
    users: Range<u32>,
    size: u32,
    transport: Transport,
    room: fn(u32) -> Room,
) -> impl Iterator<Item = Visitor> {
    let first = users.start;
    let rooms = (users.end - first).div_ceil(size);
    users.map(move |user| Visitor { user: Some(user), room: room(first + user % rooms), transport })
}
