//! What applications hold.

mod message;
mod presence;
mod target;
mod watch;

pub(crate) use self::message::AnyHandler;
pub use self::{
    message::{ClientMessage, MessageContext, MessageHandler, UnreadableMessage},
    presence::Presence,
    target::Target,
    watch::Watch,
};
