//! Who is present in one group: who is connected here, who is visible, and the net changes since
//! the last flush. Pure: no I/O and no clock. The one lock is that of a page's text in `roll`, which
//! copies of a roll share.

mod member;
mod pace;
mod roll;
mod seats;
mod slab;
mod view;

pub use self::member::Member;
pub(crate) use self::{
    member::{Answer, Asked, Payload},
    roll::Roll,
    seats::{Farewell, Seat, SeatId, Seats},
    slab::{Id, Slab},
    view::{Change, PlaceId, Present, View},
};
