//! The handle that an application holds.

use std::{fmt::Display, future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{Either, OptionFuture, join},
};
use serde::Serialize;
use serde_json::json;
use tokio::runtime::Handle;

#[cfg(feature = "metrics")]
use crate::report;
use crate::{
    chance::part_of,
    counters::Counts,
    error::RevokeError,
    handle::{Presence, Target},
    hub::LINGER,
    name::{Group, SessionId, UserId},
    store::{Silent, degraded::Degraded},
    transport::{self, Site},
    wakes::Wakes,
    wire::Encoder,
};

/// The handle of presence and messages, built by
/// [`RealtimePlugin::build`](crate::RealtimePlugin::build). Cloning is cheap, and a clone is the
/// same `Realtime`. Two that are built apart in one process do not see
/// each other, unless they have a store in common.
#[derive(Clone, Debug)]
pub struct Realtime {
    site: Arc<Site>,
}

/// What a `Realtime` holds at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// Since when and why this node goes on alone, where there is a store between several nodes and
    /// it is out of reach. Until it is back, this node shows its own users as they come and go, and
    /// those of other nodes as they were.
    pub degraded: Option<Degraded>,
}

impl Health {
    /// Whether this server is to be sent new clients: it takes them until it goes down
    /// ([`Realtime::drain`]).
    ///
    /// It is what a readiness probe asks. A server whose store is out of reach is ready: it serves
    /// its own users, and all nodes lose the store at the same moment. So is one that has as many
    /// connections as it takes, since it refuses what is too much and serves the rest.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let realtime = RealtimePlugin::new().build()?;
    /// assert!(realtime.health().is_ready());
    /// # Ok::<(), umbral_presence::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining
    }

    /// For how long this node has gone on alone, without the others. It is zero where it does not.
    ///
    /// An alert asks whether it is more than a minute. A store that restarts is away for a few
    /// seconds.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let realtime = RealtimePlugin::new().build()?;
    /// assert!(realtime.health().degraded_for().is_zero());
    /// # Ok::<(), umbral_presence::BuildError>(())
    /// ```
    #[must_use]
    pub fn degraded_for(&self) -> Duration {
        self.degraded.as_ref().map(Degraded::lasts).unwrap_or_default()
    }
}

impl Realtime {
    pub(crate) fn new(site: Site) -> Self {
        let site = Arc::new(site);
        #[cfg(feature = "redis")]
        transport::answer_nodes(&site);
        Self { site }
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

    /// The path that everything is served under.
    #[cfg(feature = "test")]
    pub(crate) fn base(&self) -> &str {
        &self.site.base
    }

    /// Whether a batch resolver has not answered yet.
    #[cfg(feature = "test")]
    pub(crate) fn is_resolving(&self) -> bool {
        self.site.door.hub.is_resolving()
    }

    /// Whether subscribers of a group have still to be told of something.
    #[cfg(feature = "test")]
    pub(crate) fn is_telling_anybody(&self) -> bool {
        self.site.door.hub.is_telling_anybody()
    }

    /// Whether something waits to be written to the stream of this name, its end included.
    #[cfg(feature = "test")]
    pub(crate) fn is_writing_to(&self, conn: &str) -> bool {
        transport::is_writing_to(&self.site, conn)
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

    /// Ends every connection of a user, on all nodes. The user leaves all groups at once.
    ///
    /// End the user's session first. A client that reconnects is identified anew, and so is one
    /// whose handshake is under way.
    ///
    /// On this node it is done when this returns. The future waits for the other nodes, which do it
    /// even if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`RevokeError::Unreached`] if other nodes have not said that they have done it.
    pub fn disconnect_user(
        &self,
        id: impl Display,
    ) -> Pin<Box<dyn Future<Output = Result<(), RevokeError>> + Send>> {
        let others = UserId::new(id.to_string()).ok().map(|user| {
            let hub = self.site.door.hub.clone();
            hub.disconnect(&user);
            see_through(async move { hub.nodes.disconnect(&user).await })
        });
        Box::pin(OptionFuture::from(others).map(|done| done.unwrap_or(Ok(()))))
    }

    /// Ends every connection of one session, on all nodes: that of the device on which somebody has
    /// signed out. The user stays where connections of other sessions are, and leaves at once where
    /// these were the last. A session is what the identity resolver has named by
    /// [`Identity::session`](crate::Identity::session).
    ///
    /// Where its last connection is gone already, as that of a page that has been left, the user stays
    /// for the grace.
    ///
    /// End the session in the application first, as with [`disconnect_user`](Self::disconnect_user).
    /// On this node it is done when this returns. The future waits for the other nodes, which do it
    /// even if the future is dropped.
    ///
    /// ```
    /// # async fn example(realtime: umbral_presence::Realtime, session: &str) -> Result<(), umbral_presence::RevokeError> {
    /// // the row of the session is deleted
    /// realtime.end_session(session).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RevokeError::Unreached`] if other nodes have not said that they have done it.
    pub fn end_session(
        &self,
        session: &str,
    ) -> Pin<Box<dyn Future<Output = Result<(), RevokeError>> + Send>> {
        let others = SessionId::new(session).ok().map(|session| {
            let hub = self.site.door.hub.clone();
            hub.end_session(&session);
            see_through(async move { hub.nodes.end_session(&session).await })
        });
        Box::pin(OptionFuture::from(others).map(|done| done.unwrap_or(Ok(()))))
    }

    /// Asks the policy again about every group that a user is in. If it says no or gives no
    /// answer, the user leaves the group at once. The user's connections to the group get
    /// `@denied`, and nothing of the group after that.
    ///
    /// The questions are asked to the end even if the future is dropped, as the future of a
    /// handler is when its client has gone. Every node asks about the user's connections there.
    ///
    /// # Errors
    ///
    /// [`RevokeError::Unreached`] if other nodes have not said that they have done it.
    pub async fn recheck_policy(&self, id: impl Display) -> Result<(), RevokeError> {
        let Ok(user) = UserId::new(id.to_string()) else {
            return Ok(());
        };
        let door = self.site.door.clone();
        see_through(async move {
            join(door.recheck_user(&user), door.hub.nodes.recheck_user(&user)).await.1
        })
        .await
    }

    /// Asks the policy again about everybody in a group, anonymous visitors included: call it when
    /// a room has become private. A user leaves the group at once if the policy says no or gives
    /// no answer. The user's connections to the group get `@denied`, and nothing of the group
    /// after that.
    ///
    /// Up to 64 questions are asked at once, by each node. They are asked to the end even if the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// [`RevokeError::Group`] if `group` is not a valid name, and [`RevokeError::Unreached`] if
    /// other nodes have not said that they have done it.
    pub async fn recheck_group(&self, group: impl Group) -> Result<(), RevokeError> {
        let (door, name) = (self.site.door.clone(), group.group_name()?);
        see_through(async move {
            join(door.recheck_group(&name), door.hub.nodes.recheck_group(&name)).await.1
        })
        .await
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
        hub.nodes.leave(LINGER).await;
        tracing::debug!("the drain is over");
    }

    /// Counts what has happened since `build`.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.site.door.hub.counts()
    }

    /// Tells the recorder of the crate `metrics` what there is and what has happened: sets the
    /// gauges and counters whose names the [guide](crate::guide::observability) lists. Call it each
    /// time before the metrics are read, as before a scrape of Prometheus. No task runs for it.
    ///
    /// What happens in the meantime is recorded at once where it is nowhere else: times, refusals
    /// and failures. So install the recorder before the server starts. Two `Realtime` that report to
    /// one recorder overwrite each other's figures.
    ///
    /// It takes no lock of a group, and its cost grows with the number of declarations alone.
    ///
    /// ```
    /// # use umbral_presence::RealtimePlugin;
    /// let realtime = RealtimePlugin::new().build()?;
    /// realtime.report_metrics();
    /// # Ok::<(), umbral_presence::BuildError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn report_metrics(&self) {
        report::report(&self.site.door.hub);
    }

    /// Says what the server holds at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            connections: self.site.door.hub.open_connections(),
            groups: self.site.door.hub.group_count(),
            users: self.site.door.hub.user_count(),
            draining: self.site.door.hub.is_draining(),
            degraded: self.site.door.hub.nodes.degraded(),
        }
    }
}

/// Does `what` to the end even if the caller's future is dropped, as it is when the client of the
/// caller's request has gone.
fn see_through<F>(what: F) -> impl Future<Output = Result<(), RevokeError>> + Send + use<F>
where
    F: Future<Output = Option<Silent>> + Send + 'static,
{
    let begun = match Handle::try_current() {
        Ok(runtime) => Either::Left(runtime.spawn(what)),
        // Without a runtime there is no connection, and so there is nothing to wait for.
        Err(_) => Either::Right(what),
    };
    async {
        RevokeError::check(match begun {
            // The only error is a panic, which has been printed, or the end of the runtime.
            Either::Left(task) => task.await.unwrap_or(Some(Silent { nodes: None })),
            Either::Right(what) => what.await,
        })
    }
}
