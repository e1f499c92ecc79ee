//! What the benchmarks refer to. Not for use by hand.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::{
    handle::Watch,
    hub::{Hub, Opening, Session, SignIn, Verdict},
    limits::Limits,
    name::{GroupName, UserId},
    spec::{PresenceSpec, matcher::Matcher, resolver::ResolveContext},
    store::Nodes,
    wire::{Dialect, Transport},
};

#[cfg(feature = "redis")]
pub use crate::store::redis::Alone;

/// One room without a server around it.
#[derive(Debug)]
pub struct Room {
    hub: Arc<Hub>,
    name: GroupName,
}

/// A connection, which is in the room or not. It leaves when it is dropped.
#[derive(Debug)]
pub struct Visitor(Session);

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    /// An empty room.
    ///
    /// # Panics
    ///
    /// Never: what it is made of is fixed.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Nodes::default())
    }

    /// An empty room of a node that shares a store with others.
    ///
    /// # Panics
    ///
    /// Where the address cannot be read.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn on(url: &str) -> Self {
        let settings = crate::RedisStore::at(url).check().expect("an address");
        let room = Self::with(Nodes::at(Some(settings)).expect("randomness"));
        room.hub.nodes.start(&Arc::downgrade(&room.hub));
        room
    }

    fn with(nodes: Nodes) -> Self {
        let specs = vec![PresenceSpec::prefixes(["room:"]).grace(std::time::Duration::ZERO)];
        let (matcher, _) = Matcher::new(specs);
        let limits = Limits { connections: usize::MAX, ..Limits::default() };
        let name = GroupName::new("room:1").expect("a valid name");
        Self { hub: Hub::new(matcher, limits, ResolveContext::default(), nodes), name }
    }

    /// Another room of the same registry.
    ///
    /// # Panics
    ///
    /// Never: every number makes a valid name.
    #[must_use]
    pub fn beside(&self, number: u32) -> Self {
        let name = GroupName::new(format!("room:{number}")).expect("a valid name");
        Self { hub: self.hub.clone(), name }
    }

    /// A connection of a user, outside of the room.
    ///
    /// # Panics
    ///
    /// Where `user` is no user id.
    #[must_use]
    pub fn visitor(&self, user: &str) -> Visitor {
        let opening = Opening {
            sign_in: Some(SignIn {
                user: UserId::new(user).expect("a valid id"),
                session: None,
                until: None,
            }),
            dialect: Dialect { transport: Transport::Sse, v1: true },
            token: None,
            request: None,
        };
        let session = Session::open(&self.hub, opening, &Verdict::default(), |_| None::<()>);
        Visitor(session.expect("a hub without a limit"))
    }

    /// The visitor comes in.
    pub fn join(&self, visitor: &Visitor) {
        let (asked, allowed) = (self.hub.revocations.now(), vec![self.name.clone()]);
        // Nobody is sent away here.
        let _ = visitor.0.subscribe(&Verdict { asked, allowed, ..Verdict::default() });
    }

    /// Whether somebody has still to be told of something.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.hub.is_telling(&self.name)
    }

    /// What happens in the room from now on.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.hub.clone(), &self.name)
    }

    /// How many are in the room, on whatever node, once that is known.
    pub async fn members(&self) -> usize {
        let _visit = self.hub.visit(&self.name).await;
        self.hub.members(&self.name).len()
    }

    /// The visitor goes out.
    pub fn leave(&self, visitor: &Visitor) {
        self.hub.unsubscribe(visitor.0.connection(), std::slice::from_ref(&self.name));
    }

    /// How many are in the room.
    #[must_use]
    pub fn count(&self) -> usize {
        self.hub.count(&self.name)
    }
}

impl Visitor {
    /// Shows that the visitor reads. One that does not is taken for lost after half a minute.
    pub fn is_there(&self) {
        self.0.has_written();
    }

    /// Takes what waits for it; gives how many bytes that was.
    pub fn read(&self) -> usize {
        let next = || self.0.next().now_or_never()?.ok();
        std::iter::from_fn(next).map(|outgoing| outgoing.bytes()).sum()
    }
}
