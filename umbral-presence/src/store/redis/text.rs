//! How the words of a shard are written in the store and in its messages.

use std::num::ParseIntError;

use serde_json::value::RawValue;

use super::node::{Generation, NodeId, Stored, Version};
use crate::{
    name::{GroupName, UserId, beginning},
    roster::Payload,
};

/// Stands between a user and a node. No id has it.
const BETWEEN: char = '\u{1f}';

/// Something in the store, or in a message, that this version cannot have written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text:?} is no {what}")]
pub(super) struct Unreadable {
    what: &'static str,
    text: String,
}

impl Unreadable {
    pub(super) fn new(what: &'static str, text: impl AsRef<str>) -> Self {
        Self { what, text: beginning(text.as_ref(), 100).to_owned() }
    }
}

fn hex(what: &'static str, text: &str) -> Result<u64, Unreadable> {
    u64::from_str_radix(text, 16).map_err(|_: ParseIntError| Unreadable::new(what, text))
}

pub(super) fn node(text: &str) -> Result<NodeId, Unreadable> {
    hex("node", text).map(NodeId)
}

pub(super) fn generation(text: &str) -> Result<Generation, Unreadable> {
    hex("generation", text).map(Generation)
}

pub(super) fn version(text: &str) -> Result<Version, Unreadable> {
    text.parse().map(Version).map_err(|_| Unreadable::new("version", text))
}

pub(super) fn group(text: &str) -> Result<GroupName, Unreadable> {
    GroupName::new(text).map_err(|_| Unreadable::new("group", text))
}

pub(super) fn user(text: &str) -> Result<UserId, Unreadable> {
    UserId::new(text).map_err(|_| Unreadable::new("user", text))
}

/// A payload: nothing where a member is shown by the id alone, else the JSON.
pub(super) fn payload(text: &str) -> Result<Payload, Unreadable> {
    if text.is_empty() {
        return Ok(Payload::IdOnly);
    }
    let json = RawValue::from_string(text.to_owned());
    json.map(|json| Payload::Json(json.into())).map_err(|_| Unreadable::new("payload", text))
}

pub(super) fn payload_text(payload: &Payload) -> &str {
    match payload {
        Payload::IdOnly => "",
        Payload::Json(json) => json.get(),
    }
}

/// What is said of a user: `+` and the payload, or `-`.
pub(super) fn said(text: &str) -> Result<Option<Payload>, Unreadable> {
    match text.split_at_checked(1) {
        Some(("+", rest)) => payload(rest).map(Some),
        Some(("-", "")) => Ok(None),
        _ => Err(Unreadable::new("word of a user", text)),
    }
}

pub(super) fn said_text(payload: Option<&Payload>) -> String {
    payload.map_or_else(|| "-".into(), |payload| format!("+{}", payload_text(payload)))
}

/// A field of a group, `user 1f node`, and its value, which is empty or `version payload`.
pub(super) fn fact(field: &str, value: &str) -> Result<(UserId, Stored), Unreadable> {
    let parts = field.rsplit_once(BETWEEN).ok_or_else(|| Unreadable::new("field", field))?;
    let (written, shown) = match value.split_once(' ') {
        Some((written, shown)) => (version(written)?, shown),
        None => (Version::default(), value),
    };
    let stored = Stored { node: node(parts.1)?, written, payload: payload(shown)? };
    Ok((user(parts.0)?, stored))
}

/// A node or a generation.
pub(super) fn name(number: u64) -> String {
    format!("{number:016x}")
}
