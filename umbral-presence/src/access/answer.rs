//! What the application may answer: it decides, it names a user, or it says that it does not know.

use std::{error::Error, sync::Arc};

use super::who::Identity;

/// An error of the application.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

mod sealed {
    pub trait Sealed {}
}

/// What a [`GroupPolicy`](crate::GroupPolicy) says: `bool`, or `Result<bool, E>` if it may be unable
/// to decide.
#[diagnostic::on_unimplemented(
    message = "a policy cannot answer with `{Self}`",
    label = "`{Self}` is neither `bool` nor `Result<bool, _>`",
    note = "a policy says `bool`, or `Result<bool, E>` where `E` becomes a `Box<dyn Error + Send + Sync>`"
)]
pub trait Decision: sealed::Sealed + Send + 'static {
    #[doc(hidden)]
    fn decide(self) -> Result<bool, Cause>;
}

impl sealed::Sealed for bool {}

impl Decision for bool {
    fn decide(self) -> Result<bool, Cause> {
        Ok(self)
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>> + Send + 'static> sealed::Sealed for Result<bool, E> {}

impl<E: Into<Box<dyn Error + Send + Sync>> + Send + 'static> Decision for Result<bool, E> {
    fn decide(self) -> Result<bool, Cause> {
        self.map_err(cause)
    }
}

/// What an [identity resolver](crate::RealtimePlugin::identity_resolver) says: the user's id as
/// `Option<String>`, or an `Option<Identity>`, or a `Result` of either if it may be unable to find out
/// who asks.
///
/// `None` is an anonymous visitor. An `Err` is no answer, as it is for a policy
/// ([`GroupPolicy`](crate::GroupPolicy#answers-that-may-fail)).
///
/// ```
/// use umbral_presence::{Identity, RealtimePlugin};
///
/// # async fn user_of_session(_: Option<&http::HeaderValue>) -> std::io::Result<Option<u64>> { Ok(None) }
/// let plugin = RealtimePlugin::new().identity_resolver(|parts: http::request::Parts| async move {
///     let user = user_of_session(parts.headers.get("cookie")).await?;
///     Ok::<_, std::io::Error>(user.map(Identity::new))
/// });
/// # let _ = plugin;
/// ```
#[diagnostic::on_unimplemented(
    message = "an identity resolver cannot answer with `{Self}`",
    label = "`{Self}` is no `Option<String>`, no `Option<Identity>`, and no `Result` of either",
    note = "it says the id of the user, or `None` for an anonymous visitor; `.map(Identity::new)` makes an identity of an id of any type",
    note = "where it may fail it says `Result<Option<_>, E>` where `E` becomes a `Box<dyn Error + Send + Sync>`"
)]
pub trait WhoAsks: sealed::Sealed + Send {
    #[doc(hidden)]
    fn who(self) -> Result<Option<Identity>, Cause>;
}

impl sealed::Sealed for Option<String> {}

impl WhoAsks for Option<String> {
    fn who(self) -> Result<Option<Identity>, Cause> {
        Ok(self.map(Identity::new))
    }
}

impl sealed::Sealed for Option<Identity> {}

impl WhoAsks for Option<Identity> {
    fn who(self) -> Result<Option<Identity>, Cause> {
        Ok(self)
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>> + Send> sealed::Sealed for Result<Option<String>, E> {}

impl<E: Into<Box<dyn Error + Send + Sync>> + Send> WhoAsks for Result<Option<String>, E> {
    fn who(self) -> Result<Option<Identity>, Cause> {
        self.map_err(cause)?.who()
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>> + Send> sealed::Sealed for Result<Option<Identity>, E> {}

impl<E: Into<Box<dyn Error + Send + Sync>> + Send> WhoAsks for Result<Option<Identity>, E> {
    fn who(self) -> Result<Option<Identity>, Cause> {
        self.map_err(cause)
    }
}

fn cause(error: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
    Arc::from(error.into())
}
