//! A user who is present in a group, as others see them.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::name::UserId;

/// A user who is present in a group: the id, and the payload that others see.
///
/// It serializes as exactly the payload. Cloning is cheap, because the parts are shared.
#[derive(Clone)]
pub struct Member(Arc<Shared>);

struct Shared {
    user: UserId,
    key: u64,
    payload: Payload,
    asked: Asked,
    /// The payload of a member who is shown by the id alone, once somebody has asked for it.
    written: OnceLock<Box<RawValue>>,
}

/// What others see of a member.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// `{"id": ..}`: nothing is kept, and it is written where it goes.
    IdOnly,
    /// What the resolver has returned.
    Json(Arc<RawValue>),
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::IdOnly, Self::IdOnly) => true,
            (Self::Json(one), Self::Json(other)) => {
                Arc::ptr_eq(one, other) || one.get() == other.get()
            }
            _ => false,
        }
    }
}

/// What is to be shown of a user, and when that was asked for.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Payload,
    pub(crate) asked: Asked,
}

/// Orders questions to resolvers: an answer never takes the place of one that was asked for
/// later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked(pub(crate) u64);

impl Answer {
    /// The id alone, which nobody needs to be asked for.
    pub(crate) fn id_only() -> Self {
        Self { payload: Payload::IdOnly, asked: Asked::default() }
    }
}

impl Member {
    pub(crate) fn new(user: UserId, key: u64, answer: Answer) -> Self {
        let Answer { payload, asked } = answer;
        Self(Arc::new(Shared { user, key, payload, asked, written: OnceLock::new() }))
    }

    /// The user's id. It is for the application. Others see only the payload.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.0.user
    }

    /// What others see, as JSON: `{"id": ..}`, or what the resolver returned.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "an id always has a JSON form")]
    pub fn payload(&self) -> &RawValue {
        match &self.0.payload {
            Payload::Json(payload) => payload,
            Payload::IdOnly => self.0.written.get_or_init(|| {
                serde_json::value::to_raw_value(&IdOnly(self.id())).expect("a text has a JSON form")
            }),
        }
    }

    /// How many bytes the payload has.
    pub(crate) fn payload_bytes(&self) -> usize {
        /// `{"id":""}`
        const AROUND: usize = 9;
        match &self.0.payload {
            Payload::Json(payload) => payload.get().len(),
            Payload::IdOnly => {
                let id = self.id().as_str();
                // Of what JSON escapes an id can hold these two.
                let escapes = id.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
                id.len() + escapes + AROUND
            }
        }
    }

    /// Writes the payload behind what is there.
    pub(crate) fn write_payload(&self, into: &mut Vec<u8>) {
        match &self.0.payload {
            Payload::Json(payload) => into.extend_from_slice(payload.get().as_bytes()),
            Payload::IdOnly => {
                serde_json::to_writer(into, &IdOnly(self.id())).expect("a text has a JSON form");
            }
        }
    }

    /// Whether others see this payload.
    #[cfg(feature = "redis")]
    pub(crate) fn is_shown_as(&self, payload: &Payload) -> bool {
        self.0.payload == *payload
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

/// The payload of a member who is shown by the id alone.
struct IdOnly<'a>(&'a UserId);

impl Serialize for IdOnly<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("id", self.0)?;
        map.end()
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
        let is_same = match (&self.0.payload, &other.0.payload) {
            (Payload::IdOnly, Payload::IdOnly) => true,
            _ => self.payload().get() == other.payload().get(),
        };
        Arc::ptr_eq(&self.0, &other.0) || is_same && self.id() == other.id()
    }
}

impl Eq for Member {}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.payload {
            Payload::Json(payload) => payload.serialize(serializer),
            Payload::IdOnly => IdOnly(self.id()).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_who_is_shown_by_the_id_is_written_in_one_way() {
        for id in ["7", "a \"b\" \\c\\", "Zoë", "\u{1f642}", "</script>"] {
            let member = Member::new(UserId::new(id).unwrap(), 1, Answer::id_only());
            let expected = serde_json::json!({ "id": id }).to_string();
            let mut written = Vec::new();
            member.write_payload(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), expected);
            assert_eq!(serde_json::to_string(&member).unwrap(), expected);
            assert_eq!(member.payload().get(), expected);
            assert_eq!(member.payload_bytes(), expected.len());
        }
    }
}
