//! The connections: each is in the map while it is open.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;

use super::connection::Connection;
use crate::{
    connection::End,
    hash::Keyed,
    name::{ConnectionId, SessionId, Token},
    sync::Mutex,
    wakes::Wakes,
};

/// How long what is left of a connection that has been ended may wait to be written.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// The connections that are open, and those that are ending.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: DashMap<ConnectionId, Arc<Connection>, Keyed>,
    /// Those whose clients may change their groups by `control`.
    tokens: DashMap<Token, Arc<Connection>, Keyed>,
    /// Those of each session.
    sessions: DashMap<SessionId, Vec<ConnectionId>, Keyed>,
    /// Those that have departed and been ended, and since when.
    ending: Mutex<Vec<(Instant, Weak<Connection>)>>,
    last: AtomicU64,
}

impl Connections {
    /// An id that no connection has had.
    pub(super) fn next_id(&self) -> ConnectionId {
        ConnectionId::of(self.last.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn add(&self, connection: &Arc<Connection>) {
        self.open.insert(connection.id(), connection.clone());
    }

    pub(super) fn add_token(&self, connection: &Arc<Connection>) {
        if let Some(token) = connection.token {
            self.tokens.insert(token, connection.clone());
        }
    }

    pub(super) fn remove(&self, connection: &Connection) {
        if let Some(token) = connection.token {
            self.tokens.remove(&token);
        }
        self.open.remove(&connection.id());
    }

    /// A connection is of this session from now on, and not of the one before.
    pub(super) fn change_session(
        &self,
        id: ConnectionId,
        before: Option<&SessionId>,
        session: Option<&SessionId>,
    ) {
        if before == session {
            return;
        }
        if let Some(before) = before {
            self.sessions.remove_if_mut(before, |_, ids| {
                ids.retain(|other| *other != id);
                ids.is_empty()
            });
        }
        if let Some(session) = session {
            self.sessions.entry(session.clone()).or_default().push(id);
        }
    }

    /// The connections of a session.
    pub(super) fn of_session(&self, session: &SessionId) -> Vec<Arc<Connection>> {
        let ids = self.sessions.get(session).map(|ids| ids.clone()).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.get(id)).collect()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.open.get(&id).map(|entry| entry.clone())
    }

    pub(super) fn by_token(&self, token: Token) -> Option<Arc<Connection>> {
        self.tokens.get(&token).map(|entry| entry.clone())
    }

    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.open.iter().map(|entry| entry.clone()).collect()
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Notes that a connection which has departed has been ended.
    pub(super) fn note_end(&self, connection: &Arc<Connection>, now: Instant) {
        self.ending.lock().push((now, Arc::downgrade(connection)));
    }

    /// Cuts those off that have been ended and have not gone by themselves in time.
    pub(super) fn cut_late(&self, now: Instant, wakes: &mut Wakes) {
        self.ending.lock().retain(|(since, connection)| {
            let late = now.duration_since(*since) > ENDS_WITHIN;
            let connection = connection.upgrade();
            if let Some(connection) = connection.as_ref().filter(|_| late) {
                wakes.add(connection.outbox().end_now(End::Lost));
            }
            connection.is_some() && !late
        });
    }
}
