//! What a tab is shown.

use serde_json::Value;

use crate::name::GroupName;

/// One thing that a tab is shown, as the handlers of a page are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// All members of a group.
    Sync(GroupName, Vec<Value>),
    /// A member has come.
    Join(GroupName, Value),
    /// A member has gone.
    Leave(GroupName, Value),
    /// A member is shown in another way.
    Update(GroupName, Value),
    /// An event of the application, or one that concerns the connection.
    Event {
        /// The group, `@user:{id}`, `@broadcast` or `@conn`.
        channel: String,
        /// The event's name.
        event: String,
        /// Its data.
        data: Value,
    },
}

impl Seen {
    /// The group, unless it is an event.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            Self::Sync(group, _)
            | Self::Join(group, _)
            | Self::Leave(group, _)
            | Self::Update(group, _) => Some(group),
            Self::Event { .. } => None,
        }
    }
}

/// A member's `id` as text. A resolver may show it as a number.
pub(super) fn id_of(member: &Value) -> String {
    match &member["id"] {
        Value::String(id) => id.clone(),
        other => other.to_string(),
    }
}
