//! Who may join a group and see its members.

use std::future::{Future, ready};

use futures_util::future::BoxFuture;

/// Decides who may join a group. A user who may not join sees nothing of it, neither its messages
/// nor its members.
///
/// A declaration of presence never gives anybody the right to join. The default policy is
/// [`PublicGroupsOnly`].
///
/// ```
/// use umbral_presence::GroupPolicy;
///
/// /// Signed-in users may join every room; only admins may write in the announcements.
/// struct Rooms;
///
/// impl GroupPolicy for Rooms {
///     async fn can_join(&self, user_id: Option<&str>, group: &str) -> bool {
///         user_id.is_some() && group.starts_with("room:")
///     }
///
///     async fn can_send(&self, user_id: Option<&str>, group: &str) -> bool {
///         self.can_join(user_id, group).await
///             && (group != "room:announcements" || user_id == Some("admin"))
///     }
/// }
/// ```
pub trait GroupPolicy: Send + Sync + 'static {
    /// Whether this user may join the group. `None` stands for an anonymous visitor.
    fn can_join(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = bool> + Send;

    /// Whether this user may send to the group through
    /// [`MessageContext::publish`](crate::MessageContext::publish). By default a user who may join
    /// may send.
    fn can_send(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = bool> + Send {
        self.can_join(user_id, group)
    }
}

/// The default policy: everybody may join `public:*`, and nobody may join another group.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublicGroupsOnly;

impl GroupPolicy for PublicGroupsOnly {
    async fn can_join(&self, _user_id: Option<&str>, group: &str) -> bool {
        group.starts_with("public:")
    }
}

/// A policy from a plain function.
pub(crate) struct PolicyFn<F>(pub(crate) F);

impl<F> GroupPolicy for PolicyFn<F>
where
    F: Fn(Option<&str>, &str) -> bool + Send + Sync + 'static,
{
    fn can_join(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = bool> + Send {
        ready(self.0(user_id, group))
    }
}

/// A policy from a function that waits for something.
pub(crate) struct PolicyAsyncFn<F>(pub(crate) F);

impl<F, Fut> GroupPolicy for PolicyAsyncFn<F>
where
    F: Fn(Option<String>, String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    fn can_join(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = bool> + Send {
        self.0(user_id.map(str::to_owned), group.to_owned())
    }
}

/// A [`GroupPolicy`] as a trait object.
pub(crate) trait AnyPolicy: Send + Sync {
    fn can_join<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> BoxFuture<'a, bool>;
    fn can_send<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> BoxFuture<'a, bool>;
}

impl<P: GroupPolicy> AnyPolicy for P {
    fn can_join<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(GroupPolicy::can_join(self, user_id, group))
    }

    fn can_send<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(GroupPolicy::can_send(self, user_id, group))
    }
}
