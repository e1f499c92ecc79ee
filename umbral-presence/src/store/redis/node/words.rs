//! What nodes and the store say to each other about one shard.

use std::time::Duration;

use crate::{
    name::{GroupName, UserId},
    roster::Payload,
};

/// Numbers the changes of a shard. Each is greater than the one before, though not by one: it is the
/// time of the store in microseconds, unless that would be no greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u64);

/// Names one life of what a shard holds. It is made up at random where the store holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(pub(crate) u64);

/// Names one registration of a node in a shard: a random number of its process, and the number of the
/// registration. It is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u64);

impl NodeId {
    /// The bits that number the registrations of a process.
    const REGISTRATIONS: u32 = 20;

    /// The first registration of a process.
    pub(crate) fn first(process: u64) -> Self {
        Self(process << Self::REGISTRATIONS)
    }

    /// The next registration of the same process.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whether it is another process, or a later registration of the same one.
    pub(crate) fn is_later_than(self, other: Self) -> bool {
        self.process() != other.process() || self.0 > other.0
    }

    /// The process.
    pub(crate) fn process(self) -> u64 {
        self.0 >> Self::REGISTRATIONS
    }
}

/// A name for a process, out of a random number.
pub(crate) fn process(random: u64) -> u64 {
    NodeId(random).process()
}

/// Names one life of a server. Another one may hold less than the one before, and not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerId(pub(crate) u64);

/// Numbers the connections of a node, so that what comes late over an old one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u64);

/// What a node says of one of its users in a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) group: GroupName,
    pub(crate) user: UserId,
    /// As the user is shown; `None` where the user is not there any more.
    pub(crate) payload: Option<Payload>,
}

/// What the store holds of a user in a group, by the word of one node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) node: NodeId,
    /// With which change it was written. The store keeps no version beside an id alone.
    pub(crate) written: Version,
    pub(crate) payload: Payload,
}

impl Stored {
    /// Of what several nodes say of a user, the one of the highest rank is shown. It is the same for
    /// those who have heard it and for those who have read it.
    pub(crate) fn rank(&self) -> Version {
        match self.payload {
            Payload::IdOnly => Version::default(),
            Payload::Json(_) => self.written,
        }
    }
}

/// What a node asks of the store.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// To be told of the changes of the shard.
    Subscribe,
    /// Keeps the node registered, or registers it.
    Heartbeat { node: NodeId, epoch: Epoch, is_new: bool },
    /// Changes what the store holds.
    Apply { node: NodeId, epoch: Epoch, said: Vec<Said> },
    /// Who is in these groups.
    Read { groups: Vec<GroupName> },
    /// Declares a registration dead after that time, unless it is renewed.
    Retire { node: NodeId, after: Duration },
    /// Takes away some of what a dead node has left.
    Clear { node: NodeId },
}

impl Request {
    /// As figures name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Apply { .. } => "apply",
            Self::Read { .. } => "read",
            Self::Retire { .. } => "retire",
            Self::Clear { .. } => "clear",
        }
    }
}

/// Where a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) generation: Generation,
    pub(crate) version: Version,
}

/// What the store answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The messages that follow will be heard.
    Subscribed,
    /// The node is registered. A dead one may be named whose facts are still there.
    Alive {
        node: NodeId,
        at: Position,
        dead: Option<NodeId>,
    },
    /// The node is not registered, or its connection is not the newest.
    Refused {
        node: NodeId,
    },
    /// All of it is stored.
    Applied {
        at: Position,
    },
    Read {
        at: Position,
        live: Vec<NodeId>,
        groups: Vec<(GroupName, Vec<(UserId, Stored)>)>,
    },
    Retired,
    /// Whether something may be left.
    Cleared {
        is_all: bool,
    },
}

/// What all who have subscribed to a shard are told.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: Position,
    /// The change before this one.
    pub(crate) before: Version,
    pub(crate) node: NodeId,
    pub(crate) news: News,
}

/// What has changed.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// What the node says of its users.
    Said(Vec<Said>),
    /// The node is dead, and what it said does not hold any more.
    Dead,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// A node that has not been heard for so long is dead.
    pub(crate) lease: Duration,
    /// A node is heard so often, a fifth sooner or later.
    pub(crate) heartbeat: Duration,
    /// Where no node at all was heard for so long, the store stood still, and nobody is dead.
    pub(crate) stand_still: Duration,
    /// A node that has not reached the store for so long goes on alone.
    pub(crate) patience: Duration,
    /// Between two pieces of what a dead node has left.
    pub(crate) clearing: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_millis(2500),
            stand_still: Duration::from_secs(5),
            patience: Duration::from_secs(1),
            clearing: Duration::from_millis(100),
        }
    }
}
