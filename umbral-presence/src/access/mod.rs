//! Who may connect and which groups a user may join. The application is asked at first, and again.

mod answer;
mod door;
mod expiry;
mod gate;
mod head;
mod identity;
mod policy;
mod question;
mod recheck;
mod task;
mod who;

#[cfg(feature = "test")]
pub(crate) use self::identity::TestUser;
pub use self::{
    answer::{Decision, WhoAsks},
    policy::{GroupPolicy, PublicGroupsOnly},
    who::Identity,
};
pub(crate) use self::{
    door::{Asker, Closed, Door, Unfit, Whose},
    expiry::Expiry,
    gate::{Foreign, Gate, OriginFault, wants_events},
    head::{Keeps, KeptExtension, TooLong, check_head},
    identity::IdentityResolver,
    policy::{Answering, AnyPolicy, PolicyAsyncFn, PolicyFn},
    recheck::Recheck,
    who::IdentityError,
};
