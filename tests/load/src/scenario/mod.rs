//! What is measured: one file for each way in which a server is used.

mod churn;
mod fan_out;
mod growth;
mod idle;
mod nodes;
mod open;
mod reconnect;
mod scale;
mod storm;
mod stream;
mod two_nodes;

use crate::{Failure, settings::Settings, sheet::Sheet};

/// A way in which a server is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The memory of connections that do nothing.
    Idle,
    /// What a connection costs to open.
    Open,
    /// Everybody comes into one room.
    Storm,
    /// Everybody comes into small rooms.
    Spread,
    /// One after the other comes into a large room.
    Stream,
    /// One change after the other is told to very many.
    FanOut,
    /// Some leave and others come all the time.
    Churn,
    /// Everybody is lost and comes back.
    Reconnect,
    /// More connections than there may be files, in memory.
    Duplex,
    /// More members than that, without transports.
    Registry,
    /// Several nodes with a store between them, without transports.
    Nodes,
    /// Two nodes, where users come, move and leave, and one dies.
    TwoNodes,
    /// One node and up to eight, each with as many members.
    Scale,
}

impl Scenario {
    pub(crate) const ALL: [Self; 13] = [
        Self::Idle,
        Self::Open,
        Self::Storm,
        Self::Spread,
        Self::Stream,
        Self::FanOut,
        Self::Churn,
        Self::Reconnect,
        Self::Duplex,
        Self::Registry,
        Self::Nodes,
        Self::TwoNodes,
        Self::Scale,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Open => "open",
            Self::Storm => "storm",
            Self::Spread => "spread",
            Self::Stream => "stream",
            Self::FanOut => "fan-out",
            Self::Churn => "churn",
            Self::Reconnect => "reconnect",
            Self::Duplex => "duplex",
            Self::Registry => "registry",
            Self::Nodes => "nodes",
            Self::TwoNodes => "two-nodes",
            Self::Scale => "scale",
        }
    }

    /// That of this name; `all` is every one.
    pub(crate) fn named(name: &str) -> Result<Vec<Self>, Failure> {
        if name == "all" {
            return Ok(Self::ALL.to_vec());
        }
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        Ok(vec![found.ok_or_else(|| format!("{name} is no scenario"))?])
    }

    pub(crate) async fn run(self, settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
        match self {
            Self::Idle => idle::run(settings, sheet).await,
            Self::Open => open::run(settings, sheet).await,
            Self::Storm => storm::one_room(settings, sheet).await,
            Self::Spread => storm::small_rooms(settings, sheet).await,
            Self::Stream => stream::run(settings, sheet).await,
            Self::FanOut => fan_out::run(settings, sheet).await,
            Self::Churn => churn::run(settings, sheet).await,
            Self::Reconnect => reconnect::run(settings, sheet).await,
            Self::Duplex => growth::duplex(settings, sheet).await,
            Self::Registry => growth::registry(settings, sheet).await,
            Self::Nodes => nodes::run(settings, sheet).await,
            Self::TwoNodes => two_nodes::run(settings, sheet).await,
            Self::Scale => scale::run(settings, sheet).await,
        }
    }
}
