//! Messages that clients send over a WebSocket.

use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::target::Target;
use crate::{
    access::Door,
    error::SendError,
    hub::Connection,
    name::{Group, UserId},
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
}

impl MessageContext {
    pub(crate) fn new(door: Arc<Door>, connection: Arc<Connection>) -> Self {
        Self { door, connection }
    }

    /// The signed-in user who sent the message. `None` is an anonymous visitor.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.connection.user()
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
