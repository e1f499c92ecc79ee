//! The handle that an application holds.

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;

use crate::{
    chance::part_of,
    counters::Counts,
    frame::Encoder,
    group::{Group, InvalidGroupName},
    presence::Presence,
    target::Target,
    transport::{self, Site},
    user::UserId,
    wakes::Wakes,
};

/// Presence and messages, as built by
/// [`RealtimePlugin::build`](crate::RealtimePlugin::build). A cheap handle; clones are the
/// same `Realtime`. Several of them in one process do not see each other.
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
    /// Groups that somebody is subscribed to or present in.
    pub groups: usize,
    /// Users who are connected, or whose grace runs.
    pub users: usize,
    /// Whether [`Realtime::drain`] has been called.
    pub draining: bool,
}

impl Realtime {
    pub(crate) fn new(site: Site) -> Self {
        Self { site: Arc::new(site) }
    }

    /// The routes: `sse`, `ws`, `control`, `members` and the client's scripts, under
    /// `/realtime` unless [`at`](crate::RealtimePlugin::at) says otherwise.
    ///
    /// Merge it into the application's router after `with_state`, so that a session layer
    /// around both sees these requests too.
    /// A WebSocket works over HTTP/2 as well, where the application turns on axum's `http2`.
    pub fn router(&self) -> axum::Router {
        transport::router(self.site.clone())
    }

    /// Who is present.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence::new(self.site.door.hub.clone())
    }

    /// Every connection of the user with this id.
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

    /// Every connection that is subscribed to `group`.
    pub fn to_group(&self, group: impl Group) -> Target {
        Target::group(self.site.door.hub.clone(), group.group_name())
    }

    /// Every connection.
    pub fn broadcast(&self) -> Target {
        Target::everybody(self.site.door.hub.clone())
    }

    /// Ends every connection of a user, who leaves all groups at once. A client that
    /// reconnects, or whose handshake is under way, is asked for its identity anew, so end
    /// the user's session before.
    pub fn disconnect_user(&self, id: impl Display) {
        if let Ok(user) = UserId::new(id.to_string()) {
            self.site.door.hub.disconnect(&user);
        }
    }

    /// Asks the policy again for every group that a user is in. Where it says no, or
    /// nothing, the user leaves at once; the connections that were in it get `@denied` and
    /// nothing of the group after it. Once begun it goes on though the future is dropped, as that
    /// of a handler is whose client has gone.
    pub async fn recheck_policy(&self, id: impl Display) {
        let Ok(user) = UserId::new(id.to_string()) else {
            return;
        };
        let door = self.site.door.clone();
        see_through(async move { door.recheck_user(&user).await }).await;
    }

    /// Asks the policy again for everybody who is in a group, anonymous visitors included: for a
    /// room that has become private. Where it says no, or nothing, they leave at once; their
    /// connections get `@denied` and nothing of the group after it. Once begun it goes on though
    /// the future is dropped. Up to 64 questions are under way at once.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] where the group is none.
    pub async fn recheck_group(&self, group: impl Group) -> Result<(), InvalidGroupName> {
        let (door, name) = (self.site.door.clone(), group.group_name()?);
        see_through(async move { door.recheck_group(&name).await }).await;
        Ok(())
    }

    /// Refuses new connections with `503`, tells open ones to go elsewhere spread over
    /// [`Limits::drain_window`](crate::Limits::drain_window) (`@drain`, and `retry:` for a
    /// plain event stream), and ends those that are still there when it is over. Nobody is
    /// seen to leave meanwhile.
    ///
    /// Call it before the server's own graceful shutdown, which waits for open sockets, and
    /// give that an end of its own: it would wait for ever for a socket whose reader is
    /// stuck.
    pub async fn drain(&self) {
        let hub = &self.site.door.hub;
        let until = hub.begin_draining();
        tracing::debug!(connections = hub.open_connections(), "a drain begins");
        let window = hub.limits.drain_window;
        let seconds = window.as_secs() + u64::from(window.subsec_nanos() > 0);
        let within = json!({ "within": seconds });
        for connection in hub.all_connections() {
            hub.tell(&connection, "@drain", &within);
            if connection.dialect.is_plain_sse() {
                let retry = Encoder::retry(part_of(window));
                Wakes::default().add(connection.outbox.push_control(retry));
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

    /// What has happened since it was built.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.site.door.hub.counts()
    }

    /// What is held at the moment.
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

/// Waits for what is done to its end though nobody waits any longer, as where the request is gone
/// in whose handler it was called.
async fn see_through(what: impl Future<Output = ()> + Send + 'static) {
    match Handle::try_current() {
        // Its only error is a panic, which has been printed, or the end of the runtime.
        Ok(runtime) => drop(runtime.spawn(what).await),
        // Where there is nobody to ask about, none is needed.
        Err(_) => what.await,
    }
}
