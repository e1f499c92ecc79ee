//! Who may join a group and see its members.

use std::{
    future::{Future, ready},
    marker::PhantomData,
};

use futures_util::future::BoxFuture;

use super::answer::{Cause, Decision};

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
///
/// # Answers that may fail
///
/// A policy that may be unable to decide, because a database is away, implements
/// `GroupPolicy<Result<bool, E>>`. An `Err` is no answer: a request gets `503` and is made again by
/// the client, and a [recheck](crate::RealtimePlugin::recheck_every) changes nothing. The error is
/// logged with its sources, and no client sees it. `E` is what becomes a boxed error: an error type,
/// `anyhow::Error`, or a text.
///
/// ```
/// use std::io;
/// use umbral_presence::GroupPolicy;
///
/// # struct Database;
/// # impl Database { async fn is_member(&self, _: &str, _: &str) -> io::Result<bool> { Ok(true) } }
/// struct Teams(Database);
///
/// impl GroupPolicy<io::Result<bool>> for Teams {
///     async fn can_join(&self, user_id: Option<&str>, group: &str) -> io::Result<bool> {
///         match user_id {
///             Some(user) => self.0.is_member(user, group).await,
///             None => Ok(false),
///         }
///     }
/// }
/// ```
pub trait GroupPolicy<D: Decision = bool>: Send + Sync + 'static {
    /// Whether this user may join the group. `None` stands for an anonymous visitor.
    fn can_join(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = D> + Send;

    /// Whether this user may send to the group through
    /// [`MessageContext::publish`](crate::MessageContext::publish). By default a user who may join
    /// may send.
    fn can_send(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = D> + Send {
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

impl<F, D> GroupPolicy<D> for PolicyFn<F>
where
    F: Fn(Option<&str>, &str) -> D + Send + Sync + 'static,
    D: Decision,
{
    fn can_join(&self, user_id: Option<&str>, group: &str) -> impl Future<Output = D> + Send {
        ready(self.0(user_id, group))
    }
}

/// A policy from a function that waits for something.
pub(crate) struct PolicyAsyncFn<F>(pub(crate) F);

impl<F, Fut> GroupPolicy<Fut::Output> for PolicyAsyncFn<F>
where
    F: Fn(Option<String>, String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Decision> + Send + 'static,
{
    fn can_join(
        &self,
        user_id: Option<&str>,
        group: &str,
    ) -> impl Future<Output = Fut::Output> + Send {
        self.0(user_id.map(str::to_owned), group.to_owned())
    }
}

/// What a policy is about to answer.
pub(crate) type Asked<'a> = BoxFuture<'a, Result<bool, Cause>>;

/// A policy that answers in the way `D`.
pub(crate) struct Answering<P, D>(P, PhantomData<fn() -> D>);

impl<P: GroupPolicy<D>, D: Decision> Answering<P, D> {
    pub(crate) const fn new(policy: P) -> Self {
        Self(policy, PhantomData)
    }
}

/// A [`GroupPolicy`] as a trait object.
pub(crate) trait AnyPolicy: Send + Sync {
    fn can_join<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> Asked<'a>;
    fn can_send<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> Asked<'a>;
}

impl<P: GroupPolicy<D>, D: Decision> AnyPolicy for Answering<P, D> {
    fn can_join<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> Asked<'a> {
        let answer = self.0.can_join(user_id, group);
        Box::pin(async move { answer.await.decide() })
    }

    fn can_send<'a>(&'a self, user_id: Option<&'a str>, group: &'a str) -> Asked<'a> {
        let answer = self.0.can_send(user_id, group);
        Box::pin(async move { answer.await.decide() })
    }
}
