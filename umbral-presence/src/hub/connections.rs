//! Connections coming and going.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use serde::Serialize;

use super::{Hub, now};
use crate::{
    connection::{Connection, ConnectionId, Opening, Token},
    outbox::{End, Outbox},
    rate::Rate,
};

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
    /// Registers a connection, `hello` first among its frames. Whoever calls this owes it a
    /// [`close`](Self::close).
    pub(crate) fn open(
        &self,
        opening: Opening,
        hello: Option<&impl Serialize>,
    ) -> Result<Arc<Connection>, Full> {
        // Counted first and looked at afterwards, so that a drain that begins meanwhile
        // either sees this connection or is seen by it.
        if self.open.fetch_add(1, Ordering::SeqCst) >= self.limits.connections {
            self.open.fetch_sub(1, Ordering::SeqCst);
            return Err(Full::Connections);
        }
        if self.is_draining() {
            self.open.fetch_sub(1, Ordering::SeqCst);
            return Err(Full::Draining);
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
                self.open.fetch_sub(1, Ordering::SeqCst);
                return Err(Full::ConnectionsOfUser);
            }
            entry.connections.push(connection.clone());
        }
        if let Some(token) = connection.token {
            self.tokens.insert(token, connection.clone());
        }
        self.connections.insert(connection.id, connection.clone());
        Ok(connection)
    }

    /// Takes a connection out of everything. With `goodbye` its user leaves at once where
    /// it was the last connection, without it after the grace.
    pub(crate) fn close(&self, connection: &Arc<Connection>, goodbye: bool) {
        let mut subscriptions = connection.subscriptions.lock();
        if std::mem::replace(&mut subscriptions.ended, true) {
            return;
        }
        let groups = std::mem::take(&mut subscriptions.groups);
        drop(subscriptions);
        for cell in groups.into_values() {
            self.leave(&cell, connection, goodbye);
        }
        if let Some(token) = connection.token {
            self.tokens.remove(&token);
        }
        if let Some(user) = &connection.user {
            self.change_user(user, |entry| {
                entry.connections.retain(|other| other.id != connection.id);
            });
        }
        self.connections.remove(&connection.id);
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes a connection out of everything at once, whatever its transport is doing, and
    /// ends it.
    pub(crate) fn expel(&self, connection: &Arc<Connection>, end: End) {
        self.close(connection, true);
        connection.outbox.close(end);
    }

    /// Takes out the connections whose transport does not end by itself: a body is not
    /// asked for its next frame while its socket is stuck, and so does not learn that it
    /// has ended or that its client has fallen silent.
    pub(super) fn sweep(&self) {
        let now = now();
        for connection in self.all_connections() {
            if connection.is_lost(now) {
                self.counters().lost.add(1);
                self.close(&connection, false);
                connection.outbox.abandon(End::Lost);
            }
        }
    }

    /// Queues a control frame for one connection.
    pub(crate) fn tell(&self, connection: &Connection, event: &str, data: &impl Serialize) {
        connection.outbox.push_control(self.encoder().control(connection.dialect, event, data));
    }

    /// The connection whose client was told this token.
    pub(crate) fn by_token(&self, token: Token) -> Option<Arc<Connection>> {
        self.tokens.get(&token).map(|entry| entry.clone())
    }

    /// Every connection there is.
    pub(crate) fn all_connections(&self) -> Vec<Arc<Connection>> {
        self.connections.iter().map(|entry| entry.clone()).collect()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
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
            self.close(&connection, false);
            connection.outbox.close(End::Draining);
        }
    }
}
