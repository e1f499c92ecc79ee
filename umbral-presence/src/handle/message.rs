//! Messages that clients send over a WebSocket.

use std::{fmt::Display, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    presence::Presence,
    target::{Target, encoded},
};
use crate::{
    access::Door,
    error::SendError,
    hub::Connection,
    name::{Group, GroupName, InvalidGroupName, UserId},
};

/// Takes the texts that clients send over a WebSocket, except those by which they join and leave
/// groups.
///
/// The messages of one connection are handled one after the other. A panic loses that message and
/// nothing else, and an error is logged. If the connection ends while a message is handled, the
/// handling ends at its next `await`. Work that must be finished belongs in a task of its own.
///
/// ```
/// use umbral_presence::{MessageContext, MessageHandler};
///
/// struct Chat;
///
/// impl MessageHandler for Chat {
///     async fn on_message(&self, context: &MessageContext, text: &str) {
///         // A group that this user may not send to is refused by the policy.
///         if let Err(error) = context.publish("room:42", "chat", &text).await {
///             eprintln!("not sent: {error}");
///         }
///     }
/// }
/// ```
pub trait MessageHandler: Send + Sync + 'static {
    /// Handles one text.
    fn on_message(&self, context: &MessageContext, text: &str) -> impl Future<Output = ()> + Send;
}

/// The sender of a message, and a way to pass the message on.
#[derive(Clone, Debug)]
pub struct MessageContext {
    door: Arc<Door>,
    connection: Arc<Connection>,
    text: Arc<str>,
}

/// A message as the browser's client sends it by `send(group, event, data)`.
///
/// That a client names a group does not say that it may send there: see
/// [`MessageContext::publish`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientMessage<T = Value> {
    /// The group that it is about.
    pub group: GroupName,
    /// What has happened, in the words of the application.
    pub event: String,
    /// What the application has to know of it.
    pub data: T,
}

/// Why a text is no [`ClientMessage`].
#[derive(Debug, thiserror::Error)]
#[error("the text is no message with `group`, `event` and `data`: {0}")]
pub struct UnreadableMessage(#[source] UnreadableCause);

#[derive(Debug, thiserror::Error)]
enum UnreadableCause {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Group(#[from] InvalidGroupName),
}

impl MessageContext {
    pub(crate) fn new(door: Arc<Door>, connection: Arc<Connection>, text: Arc<str>) -> Self {
        Self { door, connection, text }
    }

    /// The text, as it has come.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The message that the text is, if the browser's client has sent it.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use umbral_presence::{MessageContext, MessageHandler};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Line {
    ///     text: String,
    /// }
    ///
    /// struct Chat;
    ///
    /// impl MessageHandler for Chat {
    ///     async fn on_message(&self, context: &MessageContext, _text: &str) {
    ///         let sent = match context.message::<Line>() {
    ///             Ok(line) if line.event == "chat" => {
    ///                 context.publish(line.group, "chat", &line.data).await
    ///             }
    ///             Ok(_) => Ok(()),
    ///             Err(error) => context.reply("unreadable", &error.to_string()),
    ///         };
    ///         if let Err(error) = sent {
    ///             eprintln!("not sent: {error}");
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnreadableMessage`] if it is something else: no JSON, a group with a name that none can have,
    /// or data that is no `T`.
    pub fn message<T: DeserializeOwned>(&self) -> Result<ClientMessage<T>, UnreadableMessage> {
        #[derive(Deserialize)]
        struct Read<T> {
            group: String,
            event: String,
            data: T,
        }
        let read = serde_json::from_str(&self.text);
        let Read { group, event, data } = read.map_err(|it| UnreadableMessage(it.into()))?;
        let group = GroupName::new(group).map_err(|it| UnreadableMessage(it.into()))?;
        Ok(ClientMessage { group, event, data })
    }

    /// The signed-in user who sent the message. `None` is an anonymous visitor.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.connection.user()
    }

    /// Answers the sender alone: the page gets `event` on the channel `@conn`, in the connection over
    /// which the message has come.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the event name or the data is not valid, or too large for the connection.
    /// Nothing is sent then.
    pub fn reply(&self, event: &str, data: &impl Serialize) -> Result<(), SendError> {
        let hub = &self.door.hub;
        let data = encoded(hub, event, data)?;
        hub.reply(&self.connection, event, &data);
        Ok(())
    }

    /// Answers who is present.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence::new(self.door.hub.clone())
    }

    /// Sends to every connection of the user with this id, whatever the policy says.
    pub fn to_user(&self, id: impl Display) -> Target {
        Target::user(self.door.hub.clone(), id)
    }

    /// Sends to everybody in `group`, whatever the policy says. [`publish`](Self::publish) asks it.
    pub fn to_group(&self, group: impl Group) -> Target {
        Target::group(self.door.hub.clone(), group.group_name())
    }

    /// Sends `event` to everybody in `group`, if the policy's
    /// [`can_send`](crate::GroupPolicy::can_send) allows it. A sender who is in the group gets it too.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the policy says no or gives no answer, or if the group, the event name or the
    /// data is not valid. Nothing is sent then.
    pub async fn publish(
        &self,
        group: impl Group,
        event: &str,
        data: &impl Serialize,
    ) -> Result<(), SendError> {
        let name = group.group_name()?;
        match self.door.may_send(self.user_id(), &name).await {
            Ok(true) => Target::group(self.door.hub.clone(), Ok(name)).send(event, data).await,
            Ok(false) => Err(SendError::Denied(name.to_string())),
            Err(_) => Err(SendError::Unanswered(name.to_string())),
        }
    }
}

/// A [`MessageHandler`] as a trait object.
pub(crate) trait AnyHandler: Send + Sync {
    fn on_message<'a>(&'a self, context: &'a MessageContext, text: &'a str) -> BoxFuture<'a, ()>;
}

impl<H: MessageHandler> AnyHandler for H {
    fn on_message<'a>(&'a self, context: &'a MessageContext, text: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(MessageHandler::on_message(self, context, text))
    }
}
