//! Turns a user's id into the payload that others see.

use std::{
    any::type_name,
    collections::HashMap,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use http::Extensions;
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::{name::UserId, roster::Payload, sync::assert_unlocked};

/// What others see of a member.
#[derive(Clone)]
pub(crate) enum Resolver {
    /// `{"id": ..}` and nothing else, because only the application can decide to show more.
    IdOnly,
    Custom(Arc<dyn Fn(&str) -> Value + Send + Sync>),
    /// Answers later, for many users in one call.
    Batch(Arc<BatchFn>),
}

/// The function of a batch resolver.
pub(crate) type BatchFn =
    dyn Fn(Vec<UserId>, ResolveContext) -> BoxFuture<'static, HashMap<UserId, Value>> + Send + Sync;

/// The values that were given to [`with_state`](crate::RealtimePlugin::with_state), for a batch
/// resolver or the policy of a declaration. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct ResolveContext(Arc<Extensions>);

impl ResolveContext {
    /// The value of this type. If there is none, an error is logged, because the set-up of the
    /// application is wrong then.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use serde_json::{Value, json};
    /// use umbral_presence::{PresenceSpec, RealtimePlugin, ResolveContext, UserId};
    ///
    /// #[derive(Clone)]
    /// struct Names(HashMap<&'static str, &'static str>);
    ///
    /// async fn names(users: Vec<UserId>, context: ResolveContext) -> HashMap<UserId, Value> {
    ///     let Some(Names(names)) = context.get() else {
    ///         return HashMap::new();
    ///     };
    ///     let show = |user: UserId| {
    ///         let name = names.get(user.as_str())?;
    ///         Some((user.clone(), json!({ "id": user, "name": name })))
    ///     };
    ///     users.into_iter().filter_map(show).collect()
    /// }
    ///
    /// let realtime = RealtimePlugin::new()
    ///     .with_state(Names(HashMap::from([("7", "Ada")])))
    ///     .with_presence(PresenceSpec::prefixes(["room:"]).batch_resolver(names))
    ///     .build()?;
    /// # Ok::<(), umbral_presence::BuildError>(())
    /// ```
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let value = self.0.get();
        if value.is_none() {
            let name = type_name::<T>();
            tracing::error!("a resolver or a policy wants a {name}; give one by `with_state`");
        }
        value
    }

    /// Returns whether there was a value of this type before.
    pub(crate) fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> bool {
        Arc::make_mut(&mut self.0).insert(value).is_some()
    }
}

impl Resolver {
    pub(crate) fn custom(resolver: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(resolver))
    }

    pub(crate) fn batch<F, Fut>(resolver: F) -> Self
    where
        F: Fn(Vec<UserId>, ResolveContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HashMap<UserId, Value>> + Send + 'static,
    {
        Self::Batch(Arc::new(move |users, context| Box::pin(resolver(users, context))))
    }

    pub(crate) fn is_batch(&self) -> bool {
        matches!(self, Self::Batch(_))
    }

    /// The payload of `user` in at most `most` bytes. It is encoded once, and every frame carries
    /// the same bytes.
    pub(crate) fn resolve(&self, user: &UserId, most: usize) -> Result<Payload, Unresolved> {
        assert_unlocked();
        let payload = match self {
            Self::IdOnly => return Ok(Payload::IdOnly),
            Self::Custom(resolver) => catch_unwind(AssertUnwindSafe(|| resolver(user.as_str())))
                .map_err(|_| Unresolved::Panicked)?,
            Self::Batch(_) => return Err(Unresolved::Later),
        };
        encode(&payload, most).map(|json| Payload::Json(json.into()))
    }
}

/// Why there is no payload for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("the resolver panicked")]
    Panicked,
    #[error("the payload has {bytes} bytes, and the limit `payload_bytes` is {most}")]
    TooLarge { bytes: usize, most: usize },
    #[error("the payload cannot be written as JSON")]
    NotJson,
    #[error("it is a batch resolver, which says it later")]
    Later,
}

/// Encodes a payload in at most `most` bytes.
pub(crate) fn encode(payload: &impl Serialize, most: usize) -> Result<Box<RawValue>, Unresolved> {
    let payload = to_raw_value(payload).map_err(|_| Unresolved::NotJson)?;
    match payload.get().len() {
        bytes if bytes > most => Err(Unresolved::TooLarge { bytes, most }),
        _ => Ok(payload),
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdOnly => "id only",
            Self::Custom(_) => "custom",
            Self::Batch(_) => "batch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_that_panics_resolves_nothing() {
        let resolver = Resolver::custom(|_| panic!("no such user"));
        let payload = resolver.resolve(&UserId::new("7").unwrap(), 100);
        assert_eq!(payload.unwrap_err(), Unresolved::Panicked);
    }

    #[test]
    fn a_payload_that_is_too_large_is_not_taken() {
        let resolver = Resolver::custom(|_| "x".repeat(9).into());
        let user = UserId::new("7").unwrap();
        assert!(resolver.resolve(&user, 11).is_ok());
        let error = resolver.resolve(&user, 10).unwrap_err();
        assert_eq!(error, Unresolved::TooLarge { bytes: 11, most: 10 });
    }
}
