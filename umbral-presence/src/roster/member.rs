//! A user who is present in a group, as others see them.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Answer, Asked};
use crate::user::UserId;

/// A user who is present in a group: the id, and the payload that others see.
///
/// Serializing it gives exactly the payload. Cloning is cheap: the parts are shared.
#[derive(Clone)]
pub struct Member(Arc<Parts>);

struct Parts {
    user: UserId,
    key: u64,
    payload: Box<RawValue>,
    asked: Asked,
}

impl Member {
    pub(crate) fn new(user: UserId, key: u64, answer: Answer) -> Self {
        let Answer { payload, asked } = answer;
        Self(Arc::new(Parts { user, key, payload, asked }))
    }

    /// The user's id. It is the application's to know: others see the payload only.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0.user
    }

    /// What others see, as JSON: `{"id": ..}`, or what the resolver returned.
    #[must_use]
    pub fn payload(&self) -> &RawValue {
        &self.0.payload
    }

    /// When what is shown was asked for.
    pub(crate) fn asked(&self) -> Asked {
        self.0.asked
    }

    /// Names the member within its roster: never given out twice there, and not derived
    /// from the id.
    pub(crate) fn key(&self) -> u64 {
        self.0.key
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("id", &self.id().as_str())
            .field("payload", &self.payload().get())
            .finish()
    }
}

/// The same user, shown in the same way.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.payload().get() == other.payload().get()
    }
}

impl Eq for Member {}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.payload().serialize(serializer)
    }
}
