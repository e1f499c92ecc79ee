//! Sends an event to a user, a group or everybody.

use std::{fmt::Display, sync::Arc};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    error::SendError,
    hub::Hub,
    name::{GroupName, InvalidGroupName, UserId, beginning},
    store::whom::Whom,
    wire::encode_data,
};

/// What a frame and its entry in an outbox take besides the data, with the longest names.
const FRAME_BYTES: usize = 1024;

/// The longest event name, in bytes.
const MAX_EVENT_BYTES: usize = 200;

/// The receivers of an event. Made by [`Realtime::to_user`](crate::Realtime::to_user),
/// [`to_group`](crate::Realtime::to_group) and
/// [`broadcast`](crate::Realtime::broadcast).
#[derive(Debug)]
#[must_use = "nothing is sent until `send` is called"]
pub struct Target {
    hub: Arc<Hub>,
    whom: Result<Whom, SendError>,
}

impl Target {
    pub(crate) fn user(hub: Arc<Hub>, id: impl Display) -> Self {
        let whom = UserId::new(id.to_string()).map(Whom::User).map_err(SendError::from);
        Self { hub, whom }
    }

    pub(crate) fn group(hub: Arc<Hub>, group: Result<GroupName, InvalidGroupName>) -> Self {
        let whom = group.map(Whom::Group).map_err(SendError::from);
        Self { hub, whom }
    }

    pub(crate) fn everybody(hub: Arc<Hub>) -> Self {
        let whom = Ok(Whom::Everybody);
        Self { hub, whom }
    }

    /// Queues `event` with `data` for every connection of the target, on all nodes. The data is
    /// encoded once.
    ///
    /// It returns as soon as the event is queued. A user who is not connected does not get it.
    /// Other nodes get it at most once, and in order; not while the store is
    /// [out of reach](crate::Health::degraded).
    ///
    /// # Errors
    ///
    /// [`SendError`] if the user id, the group or the event name is not valid, if `data` has no
    /// JSON form, or if it is too large for an outbox. Nothing is sent then.
    // Asynchronous although nothing is waited for today.
    #[allow(clippy::unused_async)]
    pub async fn send(self, event: &str, data: &impl Serialize) -> Result<(), SendError> {
        let data = encoded(&self.hub, event, data)?;
        let whom = self.whom?;
        self.hub.send(&whom, event, &data);
        self.hub.nodes.send(&whom, event, &data);
        Ok(())
    }
}

/// The data of an event, if it may be sent.
pub(super) fn encoded(
    hub: &Hub,
    event: &str,
    data: &impl Serialize,
) -> Result<Box<RawValue>, SendError> {
    let reserved = event.starts_with("presence:") || event.starts_with('@');
    let long = event.is_empty() || event.len() > MAX_EVENT_BYTES;
    if reserved || long || event.contains(char::is_control) {
        return Err(SendError::Event(beginning(event, MAX_EVENT_BYTES).to_owned()));
    }
    let data =
        encode_data(data).map_err(|source| SendError::Data { event: event.to_owned(), source })?;
    let (bytes, most) = (data.get().len(), hub.limits.outbox_bytes);
    if bytes + FRAME_BYTES > most {
        return Err(SendError::TooLarge { bytes, most });
    }
    Ok(data)
}
