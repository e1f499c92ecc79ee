//! From a user's id to the payload that others see.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::{Value, json, value::RawValue};

use crate::user::UserId;

/// What is shown of a member.
#[derive(Clone)]
pub(crate) enum Resolver {
    /// `{"id": ..}` and nothing else: exposing more is the application's explicit choice.
    IdOnly,
    Custom(Arc<dyn Fn(&str) -> Value + Send + Sync>),
}

impl Resolver {
    pub(crate) fn custom(resolver: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        Self::Custom(Arc::new(resolver))
    }

    /// The payload of `user`, encoded once for every frame that will carry it, or `None`
    /// where the application's resolver panicked.
    pub(crate) fn resolve(&self, user: &UserId) -> Option<Box<RawValue>> {
        let payload = match self {
            Self::IdOnly => json!({ "id": user.as_str() }),
            Self::Custom(resolver) => {
                catch_unwind(AssertUnwindSafe(|| resolver(user.as_str()))).ok()?
            }
        };
        serde_json::value::to_raw_value(&payload).ok()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdOnly => "id only",
            Self::Custom(_) => "custom",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_the_id_and_nothing_else() {
        let user = UserId::new("7\"").unwrap();
        let payload = Resolver::IdOnly.resolve(&user).unwrap();
        assert_eq!(payload.get(), r#"{"id":"7\""}"#);
    }

    #[test]
    fn a_resolver_that_panics_resolves_nothing() {
        let resolver = Resolver::custom(|_| panic!("no such user"));
        assert!(resolver.resolve(&UserId::new("7").unwrap()).is_none());
    }
}
