//! The handle that an application holds.

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;

use crate::{
    chance::part_of,
    counters::Counts,
    handle::{Presence, Target},
    name::{Group, InvalidGroupName, UserId},
    transport::{self, Site},
    wakes::Wakes,
    wire::Encoder,
};

/// The handle of presence and messages, built by
/// [`RealtimePlugin::build`](crate::RealtimePlugin::build). Cloning is cheap, and a clone is the
/// same `Realtime`. Two that are built apart in one process do not see each other.
#[derive(Clone, Debug)]
pub struct Realtime {
    site: Arc<Site>,
}

/// What a `Realtime` holds at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Open connections, on both transports.
    pub connections: usize,
    /// Groups with a subscriber or a member.
    pub groups: usize,
    /// Users with a connection, or with a grace that is running.
    pub users: usize,
    /// Whether [`Realtime::drain`] has been called.
    pub draining: bool,
}

impl Realtime {
    pub(crate) fn new(site: Site) -> Self {
        Self { site: Arc::new(site) }
    }

    /// The routes `sse`, `ws`, `control` and `members`, and the client's scripts. They are under
    /// `/realtime`, unless [`at`](crate::RealtimePlugin::at) says otherwise.
    ///
    /// Merge the router into the application's after `with_state`. A session layer around both
    /// then sees these requests too. A WebSocket also works over HTTP/2 if the application turns on
    /// axum's feature `http2`.
    pub fn router(&self) -> axum::Router {
        transport::router(self.site.clone())
    }

    /// Answers who is present.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence::new(self.site.door.hub.clone())
    }

    /// Sends to every connection of the user with this id.
    ///
    /// ```
    /// # async fn example(realtime: umbral_presence::Realtime) -> Result<(), umbral_presence::SendError> {
    /// realtime.to_user(7).send("mail", &serde_json::json!({ "unread": 3 })).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_user(&self, id: impl Display) -> Target {
        Target::user(self.site.door.hub.clone(), id)
    }

    /// Sends to every connection that is subscribed to `group`.
    pub fn to_group(&self, group: impl Group) -> Target {
        Target::group(self.site.door.hub.clone(), group.group_name())
    }

    /// Sends to every connection.
    pub fn broadcast(&self) -> Target {
        Target::everybody(self.site.door.hub.clone())
    }

    /// Ends every connection of a user. The user leaves all groups at once.
    ///
    /// End the user's session first. A client that reconnects is identified anew, and so is one
    /// whose handshake is under way.
    pub fn disconnect_user(&self, id: impl Display) {
        if let Ok(user) = UserId::new(id.to_string()) {
            self.site.door.hub.disconnect(&user);
        }
    }

    /// Asks the policy again about every group that a user is in. If it says no or gives no
    /// answer, the user leaves the group at once. The user's connections to the group get
    /// `@denied`, and nothing of the group after that.
    ///
    /// The questions are asked to the end even if the future is dropped, as the future of a
    /// handler is when its client has gone.
    pub async fn recheck_policy(&self, id: impl Display) {
        let Ok(user) = UserId::new(id.to_string()) else {
            return;
        };
        let door = self.site.door.clone();
        see_through(async move { door.recheck_user(&user).await }).await;
    }

    /// Asks the policy again about everybody in a group, anonymous visitors included: call it when
    /// a room has become private. A user leaves the group at once if the policy says no or gives
    /// no answer. The user's connections to the group get `@denied`, and nothing of the group
    /// after that.
    ///
    /// Up to 64 questions are asked at once. They are asked to the end even if the future is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub async fn recheck_group(&self, group: impl Group) -> Result<(), InvalidGroupName> {
        let (door, name) = (self.site.door.clone(), group.group_name()?);
        see_through(async move { door.recheck_group(&name).await }).await;
        Ok(())
    }

    /// Prepares a shutdown. New connections are refused with `503`. Open ones are told to go
    /// elsewhere (`@drain`, and `retry:` for a plain event stream), spread over
    /// [`Limits::drain_window`](crate::Limits::drain_window). The ones that are still open after
    /// that are ended. Nobody sees a leave in the meantime.
    ///
    /// Call it before the server's own graceful shutdown, which waits for open sockets. Give that
    /// shutdown a time limit of its own, because a socket with a stuck reader stays open for ever.
    pub async fn drain(&self) {
        let hub = &self.site.door.hub;
        let until = hub.begin_draining();
        tracing::debug!(connections = hub.open_connections(), "a drain begins");
        let window = hub.limits.drain_window;
        let seconds = window.as_secs() + u64::from(window.subsec_nanos() > 0);
        let within = json!({ "within": seconds });
        for connection in hub.all_connections() {
            hub.send_control(&connection, "@drain", &within);
            if connection.dialect().is_plain_sse() {
                let retry = Encoder::retry(part_of(window));
                Wakes::default().add(connection.outbox().push_control(retry));
            }
        }
        let everybody_gone = async {
            let mut look = tokio::time::interval(Duration::from_millis(50));
            while hub.open_connections() > 0 {
                look.tick().await;
            }
        };
        if tokio::time::timeout_at(until.into(), everybody_gone).await.is_err() {
            hub.end_all();
        }
        tracing::debug!("the drain is over");
    }

    /// Counts what has happened since `build`.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.site.door.hub.counts()
    }

    /// Says what the server holds at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            connections: self.site.door.hub.open_connections(),
            groups: self.site.door.hub.group_count(),
            users: self.site.door.hub.user_count(),
            draining: self.site.door.hub.is_draining(),
        }
    }
}

/// Does `what` to the end even if the caller's future is dropped, as it is when the client of the
/// caller's request has gone.
async fn see_through(what: impl Future<Output = ()> + Send + 'static) {
    match Handle::try_current() {
        // The only error is a panic, which has been printed, or the end of the runtime.
        Ok(runtime) => drop(runtime.spawn(what).await),
        // Without a runtime there is no connection, and so there is nothing to wait for.
        Err(_) => what.await,
    }
}
