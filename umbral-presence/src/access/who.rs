//! The user of a request, as the application names it.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

use crate::{
    ask::Unanswered,
    hub::SignIn,
    name::{InvalidSession, InvalidUserId, SessionId, UserId},
};

/// The user of a request, and the session in which the user is signed in: for a
/// [resolver](crate::RealtimePlugin::identity_resolver) that knows more than the user's id.
///
/// ```
/// use umbral_presence::{Identity, RealtimePlugin};
///
/// # struct Row { id: String, user: i64 }
/// # async fn session_of(_: Option<&http::HeaderValue>) -> Option<Row> { None }
/// let plugin = RealtimePlugin::new().identity_resolver(|parts: http::request::Parts| async move {
///     let session = session_of(parts.headers.get("cookie")).await?;
///     Some(Identity::new(session.user).session(session.id))
/// });
/// # let _ = plugin;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    user: String,
    session: Option<String>,
    until: Option<SystemTime>,
}

impl Identity {
    /// The user with this primary key, whether it is a number, a text or a `Uuid`.
    pub fn new(user_id: impl fmt::Display) -> Self {
        Self { user: user_id.to_string(), session: None, until: None }
    }

    /// Names the session, so that [`Realtime::end_session`](crate::Realtime::end_session) can end the
    /// connections of this device alone. It has 1 to 256 bytes. It is not shown to anybody, nor
    /// logged.
    #[must_use]
    pub fn session(mut self, name: impl Into<String>) -> Self {
        self.session = Some(name.into());
        self
    }

    /// Says until when this holds: the `exp` of a token, or the end of a session.
    ///
    /// A minute before, the client gets `@expiring {within}`, in seconds, if its stream has `v=1`; the
    /// browser's client makes a call then, with the cookies of that moment. At the end the resolver
    /// is asked again with what is [kept](crate::RealtimePlugin::recheck_every) of the last request.
    /// If it does not name the same user with a later end, the connection ends as one that is lost, and
    /// the user leaves after the grace. If it has no answer it is asked again for a minute.
    ///
    /// An identity whose end has passed is nobody's: its request is anonymous.
    ///
    /// ```
    /// # use umbral_presence::Identity;
    /// # struct Claims { sub: String, exp: u64 }
    /// # fn identity(claims: Claims) -> Identity {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// Identity::new(claims.sub).until(UNIX_EPOCH + Duration::from_secs(claims.exp))
    /// # }
    /// ```
    #[must_use]
    pub fn until(mut self, end: SystemTime) -> Self {
        self.until = Some(end);
        self
    }

    /// Reads what the application has said. Nobody is signed in whose end has passed.
    pub(super) fn sign_in(self, now: Instant) -> Result<Option<SignIn>, IdentityError> {
        let user = UserId::new(self.user)?;
        let session = self.session.as_deref().map(SessionId::new).transpose()?;
        let until = match self.until.map(|until| until.duration_since(SystemTime::now())) {
            None => None,
            // An end beyond what the clock can say is none.
            Some(Ok(left)) if !left.is_zero() => now.checked_add(left),
            Some(_) => return Ok(None),
        };
        Ok(Some(SignIn { user, session, until }))
    }
}

/// The session is a secret.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Why the user of a request is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    User(#[from] InvalidUserId),
    #[error(transparent)]
    Session(#[from] InvalidSession),
}
