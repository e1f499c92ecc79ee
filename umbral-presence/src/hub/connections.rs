//! Connections coming and going.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Hub, now};
use crate::{
    connection::{Connection, ConnectionId, Opening, Token},
    outbox::{End, Outbox},
    rate::Rate,
};

/// How long what is left of a connection that has been ended may wait to be written.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many connections as the limit allows.
    Connections,
    /// As many connections of this user as the limit allows.
    ConnectionsOfUser,
    /// The server is going down.
    Draining,
}

impl Hub {
    /// Registers a connection, `hello` first among its frames. Whoever calls this owes it that
    /// it [departs](Self::depart), and a [`release`](Self::release).
    pub(crate) fn open(
        &self,
        opening: Opening,
        hello: Option<&impl Serialize>,
    ) -> Result<Arc<Connection>, Full> {
        if self.held.fetch_add(1, Ordering::SeqCst) >= self.limits.connections {
            self.release();
            return Err(Full::Connections);
        }
        self.alarms.start(&self.me);
        let number = self.last_connection.fetch_add(1, Ordering::Relaxed);
        let now = now();
        let connection = Arc::new(Connection::new(
            ConnectionId::of(number),
            opening,
            Outbox::new(self.limits.outbox_bytes, self.counters().clone()),
            Rate::new(self.limits.control_per_second, now),
            now,
        ));
        if let Some(hello) = hello {
            self.tell(&connection, "@hello", hello);
        }
        if let Some(user) = &connection.user {
            let mut entry = self.users.entry(user.clone()).or_default();
            if entry.connections.len() >= self.limits.connections_per_user {
                drop(entry);
                self.release();
                return Err(Full::ConnectionsOfUser);
            }
            entry.connections.push(connection.clone());
        }
        if let Some(token) = connection.token {
            self.tokens.insert(token, connection.clone());
        }
        self.connections.insert(connection.id, connection.clone());
        // Only now, so that a drain that begins meanwhile either finds this connection or is
        // seen by it.
        if self.is_draining() {
            self.depart(&connection, true);
            self.release();
            return Err(Full::Draining);
        }
        Ok(connection)
    }

    /// Takes a connection out of everything. With `goodbye` its user leaves at once where
    /// it was the last connection, without it after the grace.
    pub(crate) fn depart(&self, connection: &Arc<Connection>, goodbye: bool) {
        // Held to the end, so that who sends the user away meanwhile finds the connection in
        // its groups, or waits until it has left them.
        let mut subscriptions = connection.subscriptions.lock();
        if std::mem::replace(&mut subscriptions.ended, true) {
            return;
        }
        for cell in std::mem::take(&mut subscriptions.groups).into_values() {
            self.leave(&cell, connection, goodbye);
        }
        drop(subscriptions);
        if let Some(token) = connection.token {
            self.tokens.remove(&token);
        }
        if let Some(user) = &connection.user {
            self.change_user(user, |entry| {
                entry.connections.retain(|other| other.id != connection.id);
            });
        }
        self.connections.remove(&connection.id);
    }

    /// What a connection held of the server has been given back.
    pub(crate) fn release(&self) {
        self.held.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes a connection out of everything at once, whatever its transport is doing, and
    /// ends it.
    pub(crate) fn expel(&self, connection: &Arc<Connection>, end: End) {
        self.depart(connection, true);
        self.end(connection, end);
    }

    /// Ends a connection that has departed, once what is queued has been written, or when that
    /// has taken too long.
    fn end(&self, connection: &Arc<Connection>, end: End) {
        connection.outbox.end(end);
        self.ending.lock().push((now(), Arc::downgrade(connection)));
    }

    /// Takes out the connections whose transport does not end by itself: a body is not
    /// asked for its next frame while its socket is stuck, and so does not learn that it
    /// has ended or that its client has fallen silent.
    pub(super) fn sweep(&self) {
        let now = now();
        for connection in self.all_connections() {
            if connection.is_lost(now) {
                self.counters().lost.add(1);
                self.depart(&connection, false);
                connection.outbox.end_now(End::Lost);
            }
        }
        self.ending.lock().retain(|(since, connection)| {
            let late = now.duration_since(*since) > ENDS_WITHIN;
            let connection = connection.upgrade();
            if let Some(connection) = connection.as_ref().filter(|_| late) {
                connection.outbox.end_now(End::Lost);
            }
            connection.is_some() && !late
        });
    }

    /// Queues a control frame for one connection.
    pub(crate) fn tell(&self, connection: &Connection, event: &str, data: &impl Serialize) {
        connection.outbox.push_control(self.encoder().control(connection.dialect, event, data));
    }

    /// The connection whose client was told this token.
    pub(crate) fn by_token(&self, token: Token) -> Option<Arc<Connection>> {
        self.tokens.get(&token).map(|entry| entry.clone())
    }

    /// The connection of this id, while it is open.
    pub(crate) fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.connections.get(&id).map(|entry| entry.clone())
    }

    /// The ids of the connections that are open.
    pub(crate) fn connection_ids(&self) -> Vec<ConnectionId> {
        self.connections.iter().map(|entry| *entry.key()).collect()
    }

    /// Every connection there is.
    pub(crate) fn all_connections(&self) -> Vec<Arc<Connection>> {
        self.connections.iter().map(|entry| entry.clone()).collect()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether a connection would be refused now, whoever asks.
    pub(crate) fn has_room(&self) -> Result<(), Full> {
        if self.is_draining() {
            return Err(Full::Draining);
        }
        let room = self.held.load(Ordering::SeqCst) < self.limits.connections;
        room.then_some(()).ok_or(Full::Connections)
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
