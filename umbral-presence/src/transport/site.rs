//! The state that all routes share.

use std::{fmt, sync::Arc, time::Duration};

use super::address::ClientAddress;
use crate::{
    access::{Door, Expiry, Gate, Recheck},
    handle::AnyHandler,
};

/// A stream that has nothing else to say sends a heartbeat at this interval.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// The door and the rules of everything that is served under one base path.
pub(crate) struct Site {
    pub(crate) door: Arc<Door>,
    pub(crate) handler: Option<Box<dyn AnyHandler>>,
    pub(crate) gate: Gate,
    pub(crate) recheck: Recheck,
    pub(crate) expiry: Expiry,
    pub(crate) address: ClientAddress,
    /// The path that everything is served under.
    pub(crate) base: String,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("base", &self.base).finish_non_exhaustive()
    }
}
