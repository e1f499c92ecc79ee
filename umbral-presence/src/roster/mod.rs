//! Who is present in one group: who is connected here, who is visible, and the net changes since
//! the last flush. Pure: no I/O, no clock, no lock.

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
    seats::{Farewell, SeatId, Seats},
    view::{Change, PlaceId, Present, View},
};
