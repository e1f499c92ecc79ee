//! Sessions, as the application names them.

use std::{fmt, sync::Arc};

/// The longest name of a session, in bytes.
pub const MAX_SESSION_BYTES: usize = 256;

/// One sign-in of a user, as the application names it. Whoever knows the name may be the user, so it
/// is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(Arc<str>);

/// A name of a session that is too long, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a session has 1 to {MAX_SESSION_BYTES} bytes, and this one has {bytes}")]
pub(crate) struct InvalidSession {
    bytes: usize,
}

impl SessionId {
    pub(crate) fn new(name: &str) -> Result<Self, InvalidSession> {
        let bytes = name.len();
        if bytes == 0 || bytes > MAX_SESSION_BYTES {
            return Err(InvalidSession { bytes });
        }
        Ok(Self(name.into()))
    }

    #[cfg(feature = "redis")]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
