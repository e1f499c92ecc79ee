//! One connection, as the hub and the transports share it.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{frame::Dialect, group::GroupName, hub::GroupCell, outbox::Outbox, user::UserId};

/// Names a connection within one `Realtime`; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(u64);

impl ConnectionId {
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// What a client shows to change the groups of its stream: 128 random bits, told inside
/// the stream only. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u128);

impl Token {
    /// A fresh token from the operating system's randomness.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(u128::from_ne_bytes(bits)))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A token is a secret: it never reaches a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// One SSE or WebSocket stream.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// `None` for an anonymous visitor, who watches but is never a member.
    pub(crate) user: Option<UserId>,
    pub(crate) dialect: Dialect,
    pub(crate) outbox: Outbox,
    /// Present where the client may change its groups by `control`.
    pub(crate) token: Option<Token>,
    /// Locked before any group's lock, never after.
    pub(crate) subscriptions: Mutex<Subscriptions>,
    /// When the client last showed that it is there.
    proof_of_life: Mutex<Instant>,
}

/// The groups of one connection.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) groups: HashMap<GroupName, Arc<GroupCell>>,
    /// The number of the newest `control` call that was heeded.
    pub(crate) number: u64,
    /// Nothing may be joined any more: the goodbye has run.
    pub(crate) ended: bool,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        user: Option<UserId>,
        dialect: Dialect,
        outbox: Outbox,
        token: Option<Token>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            user,
            dialect,
            outbox,
            token,
            subscriptions: Mutex::default(),
            proof_of_life: Mutex::new(now),
        }
    }

    /// The groups that it is in.
    pub(crate) fn groups(&self) -> Vec<GroupName> {
        self.subscriptions.lock().groups.keys().cloned().collect()
    }

    pub(crate) fn is_in(&self, group: &GroupName) -> bool {
        self.subscriptions.lock().groups.contains_key(group)
    }

    pub(crate) fn prove_life(&self, now: Instant) {
        *self.proof_of_life.lock() = now;
    }

    /// How long ago the client last showed that it is there.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.proof_of_life.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        let token = Token::random().unwrap();
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in ["", "+f", "0", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
