//! How the application is asked for the user of a request.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use http::request::Parts;

use super::{
    answer::{Cause, WhoAsks},
    who::Identity,
};

/// Says whose a request is, in its extensions, where no request from a network can say it.
#[cfg(feature = "test")]
#[derive(Clone, Debug)]
pub(crate) struct TestUser(pub(crate) String);

/// The application's function from a request to a user.
#[derive(Clone)]
pub(crate) struct IdentityResolver(Option<Arc<ResolveFn>>);

type Answer = Result<Option<Identity>, Cause>;
type ResolveFn = dyn Fn(Parts) -> BoxFuture<'static, Answer> + Send + Sync;

impl IdentityResolver {
    /// Finds nobody signed in.
    pub(crate) const ANONYMOUS: Self = Self(None);

    pub(crate) fn new<F, Fut>(resolve: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: WhoAsks> + Send + 'static,
    {
        Self(Some(Arc::new(move |parts| {
            let answer = resolve(parts);
            Box::pin(async move { answer.await.who() })
        })))
    }

    /// The signed-in user, as the application returned it. It is not checked yet.
    pub(crate) async fn resolve(&self, parts: &Parts) -> Answer {
        match &self.0 {
            Some(resolve) => resolve(parts.clone()).await,
            None => Ok(None),
        }
    }

    /// The same, but a request of a [`TestUser`] is that user's.
    #[cfg(feature = "test")]
    pub(crate) fn for_tests(self) -> Self {
        Self(Some(Arc::new(move |parts: Parts| -> BoxFuture<'static, Answer> {
            let resolver = self.clone();
            Box::pin(async move {
                match parts.extensions.get::<TestUser>() {
                    Some(TestUser(id)) => Ok(Some(Identity::new(id))),
                    None => resolver.resolve(&parts).await,
                }
            })
        })))
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for IdentityResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdentityResolver").finish_non_exhaustive()
    }
}
