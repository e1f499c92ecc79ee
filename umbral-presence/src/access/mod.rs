//! Who may connect and which groups a user may join. The application is asked at first, and again.

mod door;
mod gate;
mod head;
mod identity;
mod policy;
mod recheck;

pub use self::policy::{GroupPolicy, PublicGroupsOnly};
pub(crate) use self::{
    door::{Asker, Closed, Door, IdentityError, Unfit},
    gate::{Foreign, Gate, OriginFault, wants_events},
    head::{TooLong, check_head},
    identity::IdentityResolver,
    policy::{AnyPolicy, PolicyAsyncFn, PolicyFn},
    recheck::Recheck,
};
