//! Who a connection is of.

use std::time::Instant;

use crate::name::{SessionId, UserId};

/// Who a request is from, as the identity resolver has said.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) user: UserId,
    pub(crate) session: Option<SessionId>,
    /// When it has to be asked for again.
    pub(crate) until: Option<Instant>,
}

impl SignIn {
    /// The user, unless it is an anonymous visitor.
    pub(crate) fn user_of(sign_in: Option<&Self>) -> Option<&UserId> {
        sign_in.map(|it| &it.user)
    }

    /// The session, where there is one and the application has named it.
    pub(crate) fn session_of(sign_in: Option<&Self>) -> Option<&SessionId> {
        sign_in.and_then(|it| it.session.as_ref())
    }
}
