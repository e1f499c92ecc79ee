//! How many connections there may be: in all, of anonymous visitors, and of one user.
//!
//! A permit is taken before the application is asked anything, and goes with the session to its
//! end. Whatever becomes of the request in between, dropping the permit gives it back.

use std::sync::Arc;

use dashmap::{DashMap, Entry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Hub;
use crate::{limits::Limits, user::UserId};

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("there are as many connections as `Limits::connections` allows")]
    Connections,
    #[error("there are as many anonymous connections as `Limits::anonymous` allows")]
    Anonymous,
    #[error("the user has as many connections as `Limits::connections_per_user` allows")]
    ConnectionsOfUser,
    #[error("the server is going down")]
    Draining,
}

/// The permits of a hub that are left.
#[derive(Debug)]
pub(super) struct Permits {
    all: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
    /// How many each user has; those who have none are not there.
    users: DashMap<UserId, usize>,
}

impl Permits {
    pub(super) fn new(limits: &Limits) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            all: semaphore(limits.connections),
            anonymous: semaphore(limits.anonymous_connections()),
            users: DashMap::new(),
        }
    }
}

/// Leave to hold one connection.
#[derive(Debug)]
pub(crate) struct Permit {
    hub: Arc<Hub>,
    /// Given back when it is dropped.
    _one_of_all: OwnedSemaphorePermit,
    holder: Option<Holder>,
}

/// For whom a permit counts, besides for everybody.
#[derive(Debug)]
enum Holder {
    Anonymous(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit),
    User(UserId),
}

impl Hub {
    /// A permit for one more connection, whosever it will be.
    pub(crate) fn permit(self: &Arc<Self>) -> Result<Permit, Full> {
        if self.is_draining() {
            return Err(Full::Draining);
        }
        let one_of_all = self.permits.all.clone().try_acquire_owned().map_err(|_| {
            self.counters().reached.note("connections", self.limits.connections, None);
            Full::Connections
        })?;
        Ok(Permit { hub: self.clone(), _one_of_all: one_of_all, holder: None })
    }
}

impl Permit {
    /// Counts the permit for this user, or for an anonymous visitor.
    pub(crate) fn is_for(&mut self, user: Option<&UserId>) -> Result<(), Full> {
        let is_counted = match (&self.holder, user) {
            (Some(Holder::Anonymous(_)), None) => true,
            (Some(Holder::User(holder)), Some(user)) => holder == user,
            _ => false,
        };
        if is_counted {
            return Ok(());
        }
        self.uncount();
        let limits = &self.hub.limits;
        let note = |limit, value| self.hub.counters().reached.note(limit, value, user);
        self.holder = Some(match user {
            Some(user) => {
                let mut count = self.hub.permits.users.entry(user.clone()).or_default();
                if *count >= limits.connections_per_user {
                    drop(count);
                    note("connections_per_user", limits.connections_per_user);
                    return Err(Full::ConnectionsOfUser);
                }
                *count += 1;
                Holder::User(user.clone())
            }
            None => {
                let anonymous = self.hub.permits.anonymous.clone();
                Holder::Anonymous(anonymous.try_acquire_owned().map_err(|_| {
                    note("anonymous", limits.anonymous_connections());
                    Full::Anonymous
                })?)
            }
        });
        Ok(())
    }

    fn uncount(&mut self) {
        if let Some(Holder::User(user)) = self.holder.take()
            && let Entry::Occupied(mut count) = self.hub.permits.users.entry(user)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.uncount();
    }
}
