//! The user of a request.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use http::request::Parts;

/// The application's function from a request to a user's id.
#[derive(Clone)]
pub(crate) struct IdentityResolver(Option<Arc<ResolveFn>>);

type ResolveFn = dyn Fn(Parts) -> BoxFuture<'static, Option<String>> + Send + Sync;

impl IdentityResolver {
    /// Finds nobody signed in.
    pub(crate) const ANONYMOUS: Self = Self(None);

    pub(crate) fn new<F, Fut>(resolve: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<String>> + Send + 'static,
    {
        Self(Some(Arc::new(move |parts| Box::pin(resolve(parts)))))
    }

    /// The id of the signed-in user, as the application returned it. It is not checked yet.
    pub(crate) async fn resolve(&self, parts: &Parts) -> Option<String> {
        match &self.0 {
            Some(resolve) => resolve(parts.clone()).await,
            None => None,
        }
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
