//! What a group and a transport know of one stream.

mod liveness;
pub(crate) mod log;
mod outbox;
mod rate;
mod reader;
mod window;

pub(crate) use self::{
    outbox::{DueSnapshot, End, FeedId, Next, Outbox, Source},
    rate::Rate,
    reader::Reader,
    window::Window,
};
