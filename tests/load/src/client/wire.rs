//! The frames of umbral-presence and of umbral-realtime, in the long names of the WebSocket
//! and the short ones of the event stream.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// One frame.
#[derive(Deserialize)]
pub(crate) struct Frame<'a> {
    /// Over a WebSocket the peer does not name it.
    #[serde(rename = "c", alias = "channel", borrow, default)]
    pub(crate) channel: &'a str,
    #[serde(rename = "e", alias = "event", borrow)]
    pub(crate) event: &'a str,
    #[serde(rename = "d", alias = "data", borrow)]
    pub(crate) data: &'a RawValue,
    pub(crate) v: Option<u64>,
    #[serde(borrow)]
    pub(crate) k: Option<&'a RawValue>,
}

/// A member's payload, by the number that is its user's id.
#[derive(Clone, Copy)]
pub(crate) struct Member(pub(crate) u32);

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Payload<'a> {
            #[serde(borrow)]
            id: &'a str,
        }
        let id = Payload::deserialize(deserializer)?.id;
        id.parse().map(Member).map_err(|_| Error::custom(format!("{id} is no user")))
    }
}

/// An entry of `presence:diff`.
pub(crate) enum Entry {
    Join(u64, Member),
    Update(u64, Member),
    Leave(u64),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<'a>(PhantomData<&'a ()>);

        impl<'de> Visitor<'de> for Parts<'de> {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sign, a key and a payload")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Entry, A::Error> {
                let missing = || A::Error::custom("an entry that is too short");
                let sign: &str = parts.next_element()?.ok_or_else(missing)?;
                let key = parts.next_element()?.ok_or_else(missing)?;
                let entry = match sign {
                    "+" => Entry::Join(key, parts.next_element()?.ok_or_else(missing)?),
                    "~" => Entry::Update(key, parts.next_element()?.ok_or_else(missing)?),
                    "-" => Entry::Leave(key),
                    _ => return Err(A::Error::custom(format!("{sign} is no sign"))),
                };
                while parts.next_element::<IgnoredAny>()?.is_some() {}
                Ok(entry)
            }
        }

        deserializer.deserialize_seq(Parts(PhantomData))
    }
}
