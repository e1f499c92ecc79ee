//! Connections coming and going.

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    connection::{Connection, Opening},
    core::Hub,
    joining::{Verdict, without_presence},
    revocations::Outdated,
};
use crate::{
    clock::now,
    connection::{End, Outbox, Rate, log},
    name::{ConnectionId, GroupName, SessionId, Token},
    store::whom::Whom,
    wakes::Wakes,
};

/// For so long after the application has given no answer clients need not show that they are there:
/// they try again after up to 30 seconds.
const AWAY_FOR: Duration = Duration::from_secs(45);

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// What the application has said of it no longer holds: ask again.
    Outdated,
    /// The server is going down.
    Draining,
}

impl From<Outdated> for NotOpened {
    fn from(_: Outdated) -> Self {
        Self::Outdated
    }
}

impl Hub {
    /// Registers a connection in the groups that the policy has allowed. `hello` gets those of
    /// them that have no presence and makes the first frame. The caller has to see to
    /// it that the connection [departs](Self::depart). Nothing is registered if the verdict no longer
    /// holds.
    pub(crate) fn open<H: Serialize>(
        &self,
        opening: Opening,
        verdict: &Verdict,
        hello: impl FnOnce(&[GroupName]) -> Option<H>,
    ) -> Result<Arc<Connection>, NotOpened> {
        self.alarms.start(&self.me);
        self.nodes.start(&self.me);
        let user = opening.sign_in.as_ref().map(|sign_in| self.users.begin_stream(&sign_in.user));
        let entrances = self.entrances(user.as_ref(), &verdict.allowed);
        let now = now();
        let connection = Arc::new(Connection::new(
            self.connections.next_id(),
            user,
            opening,
            Outbox::new(self.limits.outbox_bytes, self.counters().clone()),
            Rate::new(self.limits.control_per_second, now),
        ));
        if let Some(hello) = hello(&without_presence(&entrances)) {
            self.send_control(&connection, "@hello", &hello);
        }
        let (mut effects, mut unshown) = (self.effects(), Vec::new());
        {
            // Held until the connection is in its groups. A call that sends the connection away
            // may find it before that: it then waits here, and finds the groups too.
            let mut subscriptions = connection.subscriptions.lock();
            subscriptions.identified = verdict.asked;
            subscriptions.identified_at = Some(now);
            let session = subscriptions.session.clone();
            if let Err(outdated) = self.register(&connection, session.as_ref(), verdict) {
                // A call that has found it in the meantime has nothing to take it out of.
                subscriptions.ended = true;
                return Err(outdated.into());
            }
            self.counters().traffic.opened(connection.dialect().transport);
            log::opened(&connection.reader);
            // Only now, so that a drain that begins meanwhile either finds this connection or is
            // seen by it.
            if self.is_draining() {
                drop(subscriptions);
                self.depart(&connection, true);
                return Err(NotOpened::Draining);
            }
            for entrance in entrances {
                let (asked, unshown) = (verdict.asked, &mut unshown);
                self.join(&connection, &mut subscriptions, entrance, asked, unshown, &mut effects);
            }
        }
        // A resolver that takes long holds nobody up.
        drop(effects);
        self.show(connection.user.as_ref(), unshown);
        Ok(connection)
    }

    /// Lets a connection be found, unless what was said of it no longer holds.
    ///
    /// The connection is put into the map before the revocations are checked. A revocation is noted
    /// first, and then looks for connections: in the map, or among those of a user, whose ids are
    /// under the user's lock. So either the revocation finds this connection, or this check sees the
    /// revocation.
    fn register(
        &self,
        connection: &Arc<Connection>,
        session: Option<&SessionId>,
        verdict: &Verdict,
    ) -> Result<(), Outdated> {
        self.connections.add(connection);
        self.connections.change_session(connection.id(), None, session);
        let mut user = connection.user.as_ref().map(|user| user.lock());
        let checked = self
            .check(connection.user(), verdict)
            .and_then(|()| self.revocations.check_session(session, verdict.asked));
        if let (Some(at), Ok(())) = (&mut user, checked) {
            at.connections.push(connection.id());
        }
        drop(user);
        match checked {
            Ok(()) => {
                self.connections.add_token(connection);
                self.look_at_user(connection);
            }
            Err(Outdated) => self.unregister(connection, session),
        }
        checked
    }

    fn unregister(&self, connection: &Connection, session: Option<&SessionId>) {
        self.connections.change_session(connection.id(), session, None);
        self.connections.remove(connection);
        if let Some(user) = &connection.user {
            self.users.change(user, |at| at.end_stream(connection.id()));
        }
        self.look_at_user(connection);
    }

    /// What other nodes send to the user of a connection may reach this node from now on, or not
    /// any more.
    fn look_at_user(&self, connection: &Connection) {
        if let Some(user) = connection.user() {
            self.nodes.look(|| Whom::User(user.clone()));
        }
    }

    /// Takes a connection out of everything. With `goodbye` its user leaves at once where
    /// it was the last connection, without it after the grace.
    pub(crate) fn depart(&self, connection: &Arc<Connection>, goodbye: bool) {
        // Held to the end, so that a call that sends the user away in the meantime finds the
        // connection in its groups, or waits until it has left them.
        let mut effects = self.effects();
        let mut subscriptions = connection.subscriptions.lock();
        if std::mem::replace(&mut subscriptions.ended, true) {
            return;
        }
        self.counters().traffic.gone(connection.dialect().transport);
        for subscription in subscriptions.take_all() {
            self.leave(&subscription, connection, goodbye, &mut effects);
        }
        // Nothing is waited for any more.
        subscriptions.until = None;
        let session = subscriptions.session.take();
        drop(subscriptions);
        self.unregister(connection, session.as_ref());
    }

    /// Takes a connection out of everything at once, whatever its transport is doing, and
    /// ends it.
    pub(crate) fn expel(&self, connection: &Arc<Connection>, end: End) {
        self.depart(connection, true);
        self.end(connection, end);
    }

    /// Ends a connection whose user's sign-in has run out. The user stays for the grace: the client may
    /// come back with another one.
    pub(crate) fn expire(&self, connection: &Arc<Connection>) {
        self.depart(connection, false);
        self.end(connection, End::Expired);
    }

    /// Ends a connection that has departed, once what is queued has been written, or when that
    /// has taken too long.
    fn end(&self, connection: &Arc<Connection>, end: End) {
        let mut wakes = Wakes::default();
        wakes.add(connection.outbox().end(end));
        self.connections.note_end(connection, now());
    }

    /// Takes out the connections whose transport does not end by itself: a body is not
    /// asked for its next frame while its socket is stuck, and so does not learn that it
    /// has ended or that its client has fallen silent.
    pub(super) fn end_lost(&self) {
        let mut wakes = Wakes::default();
        let now = now();
        self.rates.forget(now);
        // Whether clients call is not known where their calls come to nodes that are not reached. And
        // where nobody can be let in, they are busy with looking for another stream.
        let is_deaf = self.nodes.degraded().is_some() || self.counters().failed.is_away(AWAY_FOR);
        for connection in self.all_connections() {
            if is_deaf {
                connection.reader.liveness.prove(now);
            }
            if connection.is_lost(now) {
                self.counters().lost.add(1);
                self.depart(&connection, false);
                wakes.add(connection.outbox().end_now(End::Lost));
            }
        }
        self.connections.cut_late(now, &mut wakes);
    }

    /// Queues a control frame for one connection. Gives the reader where it waits, to be woken
    /// when no lock is held.
    pub(crate) fn queue_control(
        &self,
        connection: &Connection,
        event: &str,
        data: &impl Serialize,
    ) -> Option<Waker> {
        connection.outbox().push_control(self.encoder().control(connection.dialect(), event, data))
    }

    /// Queues a control frame for one connection and wakes its reader: while a lock is held,
    /// [`queue_control`](Self::queue_control) it.
    pub(crate) fn send_control(&self, connection: &Connection, event: &str, data: &impl Serialize) {
        Wakes::default().add(self.queue_control(connection, event, data));
    }

    /// Queues an event of the application for one connection alone.
    pub(crate) fn reply(&self, connection: &Connection, event: &str, data: &impl Serialize) {
        let frames = self.encoder().control(connection.dialect(), event, data);
        Wakes::default().add(connection.outbox().push_message(frames));
    }

    /// The connection whose client was told this token.
    pub(crate) fn by_token(&self, token: Token) -> Option<Arc<Connection>> {
        self.connections.by_token(token)
    }

    /// The connection of this id, while it is open.
    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.connections.get(id)
    }

    /// Every connection there is.
    pub(crate) fn all_connections(&self) -> Vec<Arc<Connection>> {
        self.connections.all()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.connections.len()
    }

    /// From now on no connection is opened. Gives until when those that are may go by
    /// themselves.
    pub(crate) fn begin_draining(&self) -> Instant {
        *self.drain_until.get_or_init(|| now() + self.limits.drain_window)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain_until.get().is_some()
    }

    /// Ends every connection, for the server is going down.
    pub(crate) fn end_all(&self) {
        for connection in self.all_connections() {
            self.depart(&connection, false);
            self.end(&connection, End::Draining);
        }
    }
}
