//! Leave to hold a connection, and to be answered without one.
//!
//! A permit is taken before the application is asked anything, and goes with the session to its
//! end. Whatever becomes of the request in between, dropping the permit gives it back.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use super::core::Hub;
use crate::{clock::now, name::UserId};

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("there are as many connections as `Limits::connections` allows")]
    Connections,
    #[error("there are as many anonymous connections as `Limits::anonymous` allows")]
    Anonymous,
    #[error("the user has as many connections as `Limits::connections_per_user` allows")]
    ConnectionsOfUser,
    #[error("the address has as many connections as `Limits::connections_per_address` allows")]
    ConnectionsOfAddress,
    #[error("as many answers to the user or the address are under way as it may have connections")]
    Answers,
    #[error("as many answers are under way as there may be connections")]
    Busy,
    #[error("connections are opened faster than {per_second} in a second")]
    TooFast { per_second: u32 },
    #[error("the server is going down")]
    Draining,
}

/// Leave to hold one connection.
#[derive(Debug)]
pub(crate) struct Permit {
    hub: Arc<Hub>,
    /// Given back when it is dropped.
    _one_of_all: OwnedSemaphorePermit,
    /// Where the request came from, if that is known.
    address: Option<IpAddr>,
    holder: Option<Holder>,
}

/// For whom a permit counts, besides for everybody.
#[derive(Debug)]
enum Holder {
    Anonymous(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit),
    User(UserId),
}

impl Hub {
    /// A permit for one more connection from this address, whosever it will be.
    pub(crate) fn permit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, Full> {
        if self.is_draining() {
            return Err(Full::Draining);
        }
        // It forgets those who have come, whatever comes of it.
        self.alarms.start(&self.me);
        let one_of_all = self.permits.all.clone().try_acquire_owned().map_err(|_| {
            self.counters().reached.note("connections", self.limits.connections, None);
            Full::Connections
        })?;
        let mut permit =
            Permit { hub: self.clone(), _one_of_all: one_of_all, address: None, holder: None };
        if let Some(address) = address {
            permit.is_from(address)?;
        }
        Ok(permit)
    }

    /// A turn for one more request that opens no connection.
    pub(crate) fn turn(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Turn, Full> {
        let one_of_all = self.permits.turns.clone().try_acquire_owned().map_err(|_| {
            self.counters().reached.note("connections", self.limits.connections, None);
            Full::Busy
        })?;
        let mut turn = Turn { hub: self.clone(), _one_of_all: one_of_all, address, user: None };
        if let Some(address) = address {
            let most = self.limits.connections_per_address;
            if !self.permits.turns_of_addresses.add(address, most) {
                turn.address = None;
                self.counters().reached.note("connections_per_address", most, None);
                return Err(Full::Answers);
            }
        }
        Ok(turn)
    }
}

/// To be held by a request that has no connection and opens none, before anybody is asked and
/// until its answer has been written. An answer that nobody reads may last, above all over
/// HTTP/2, where it cannot be cut off.
#[derive(Debug)]
pub(crate) struct Turn {
    hub: Arc<Hub>,
    /// Given back when it is dropped.
    _one_of_all: OwnedSemaphorePermit,
    /// For whom it is counted.
    address: Option<IpAddr>,
    user: Option<UserId>,
}

impl Turn {
    /// Counts it for this user.
    pub(crate) fn is_for(&mut self, user: Option<&UserId>) -> Result<(), Full> {
        if self.user.as_ref() == user {
            return Ok(());
        }
        let Hub { permits, limits, .. } = &*self.hub;
        if let Some(before) = self.user.take() {
            permits.turns_of_users.remove(before);
        }
        if let Some(user) = user {
            let most = limits.connections_per_user;
            if !permits.turns_of_users.add(user.clone(), most) {
                self.hub.counters().reached.note("connections_per_user", most, Some(user));
                return Err(Full::Answers);
            }
            self.user = Some(user.clone());
        }
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Hub { permits, .. } = &*self.hub;
        if let Some(user) = self.user.take() {
            permits.turns_of_users.remove(user);
        }
        if let Some(address) = self.address {
            permits.turns_of_addresses.remove(address);
        }
    }
}

impl Permit {
    fn is_from(&mut self, address: IpAddr) -> Result<(), Full> {
        let Hub { limits, permits, rates, .. } = &*self.hub;
        let note = |limit, value| self.hub.counters().reached.note(limit, value, None);
        if !rates.opens_of_addresses.admits(address, now()) {
            let per_second = limits.opens_per_address;
            note("opens_per_address", usize::try_from(per_second).unwrap_or(usize::MAX));
            return Err(Full::TooFast { per_second });
        }
        if !permits.addresses.add(address, limits.connections_per_address) {
            note("connections_per_address", limits.connections_per_address);
            return Err(Full::ConnectionsOfAddress);
        }
        self.address = Some(address);
        Ok(())
    }

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
                if !self.hub.rates.opens_of_users.admits(user.clone(), now()) {
                    let per_second = limits.opens_per_user;
                    note("opens_per_user", usize::try_from(per_second).unwrap_or(usize::MAX));
                    return Err(Full::TooFast { per_second });
                }
                if !self.hub.permits.users.add(user.clone(), limits.connections_per_user) {
                    note("connections_per_user", limits.connections_per_user);
                    return Err(Full::ConnectionsOfUser);
                }
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
        if let Some(Holder::User(user)) = self.holder.take() {
            self.hub.permits.users.remove(user);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.uncount();
        if let Some(address) = self.address {
            self.hub.permits.addresses.remove(address);
        }
    }
}
