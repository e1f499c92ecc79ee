//! Sends an event to a user, a group or everybody.

use std::{fmt::Display, sync::Arc};

use serde::Serialize;

use crate::{
    error::SendError,
    hub::Hub,
    name::{GroupName, InvalidGroupName, InvalidUserId, UserId},
    wakes::Wakes,
    wire::{BROADCAST_CHANNEL, Encoded, encode_data},
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
    whom: Whom,
}

#[derive(Debug)]
enum Whom {
    User(Result<UserId, InvalidUserId>),
    Group(Result<GroupName, InvalidGroupName>),
    Everybody,
}

impl Target {
    pub(crate) fn user(hub: Arc<Hub>, id: impl Display) -> Self {
        let whom = Whom::User(UserId::new(id.to_string()));
        Self { hub, whom }
    }

    pub(crate) fn group(hub: Arc<Hub>, group: Result<GroupName, InvalidGroupName>) -> Self {
        let whom = Whom::Group(group);
        Self { hub, whom }
    }

    pub(crate) fn everybody(hub: Arc<Hub>) -> Self {
        let whom = Whom::Everybody;
        Self { hub, whom }
    }

    /// Queues `event` with `data` for every connection of the target. The data is encoded once.
    ///
    /// It returns as soon as the event is queued. A user who is not connected does not get it.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the user id, the group or the event name is not valid, if `data` has no
    /// JSON form, or if it is too large for an outbox. Nothing is sent then.
    // Asynchronous although one node never waits, because a store between nodes will have to.
    #[allow(clippy::unused_async)]
    pub async fn send(self, event: &str, data: &impl Serialize) -> Result<(), SendError> {
        let reserved = event.starts_with("presence:") || event.starts_with('@');
        let long = event.is_empty() || event.len() > MAX_EVENT_BYTES;
        if reserved || long || event.contains(char::is_control) {
            let end = event.floor_char_boundary(MAX_EVENT_BYTES);
            return Err(SendError::Event(event[..end].to_owned()));
        }
        let data = encode_data(data)
            .map_err(|source| SendError::Data { event: event.to_owned(), source })?;
        let (bytes, most) = (data.get().len(), self.hub.limits.outbox_bytes);
        if bytes + FRAME_BYTES > most {
            return Err(SendError::TooLarge { bytes, most });
        }
        let encoder = self.hub.encoder();
        let (channel, connections) = match self.whom {
            Whom::Group(group) => {
                let group = group?;
                self.hub
                    .send(&group, |dialect| encoder.message(dialect, group.as_str(), event, &data));
                return Ok(());
            }
            Whom::User(user) => {
                let user = user?;
                (format!("@user:{user}"), self.hub.connections_of(&user))
            }
            Whom::Everybody => (BROADCAST_CHANNEL.to_owned(), self.hub.all_connections()),
        };
        let (message, mut wakes) = (Encoded::default(), Wakes::default());
        for connection in connections {
            let frames = message.get(connection.dialect(), |dialect| {
                encoder.message(dialect, &channel, event, &data)
            });
            wakes.add(connection.outbox().push_message(frames.clone()));
        }
        Ok(())
    }
}
