//! What the command line says.

use std::{path::PathBuf, str::FromStr};

use crate::{Failure, scenario::Scenario, subject::Subject};

const USAGE: &str = "usage: load SCENARIO.. [connections=N] [changes=N] [rounds=5] \
                     [peer=PROGRAM] [picture=FILE]";

/// How much of everything. Where a number is absent each scenario has its own.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) connections: Option<u32>,
    pub(crate) changes: Option<u32>,
    /// How often each figure is taken; the median is told.
    pub(crate) rounds: usize,
    /// The peer's server; without it the peer is left out.
    pub(crate) peer: Option<PathBuf>,
    /// Where `scale` draws its figures.
    pub(crate) picture: Option<PathBuf>,
}

impl Settings {
    /// The servers of a round: ours, the floor, and the peer's where there is one.
    pub(crate) fn beside(&self, floor: impl Into<Option<Subject>>) -> Vec<Subject> {
        let peer = self.peer.is_some().then_some(Subject::Peer);
        [Some(Subject::Ours), floor.into(), peer].into_iter().flatten().collect()
    }
}

/// Which scenarios to run, and how.
pub(crate) fn read(arguments: &[&str]) -> Result<(Vec<Scenario>, Settings), Failure> {
    let mut settings =
        Settings { connections: None, changes: None, rounds: 5, peer: None, picture: None };
    let mut scenarios = Vec::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some(("connections", value)) => settings.connections = Some(number(value)?),
            Some(("changes", value)) => settings.changes = Some(number(value)?),
            Some(("rounds", value)) => settings.rounds = number(value)?,
            Some(("peer", value)) => settings.peer = Some(value.into()),
            Some(("picture", value)) => settings.picture = Some(value.into()),
            Some((key, _)) => return Err(format!("{key} is no setting\n{USAGE}").into()),
            None => scenarios.extend(Scenario::named(argument)?),
        }
    }
    if scenarios.is_empty() {
        let names: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.name()).collect();
        return Err(format!("{USAGE}\nscenarios: all {}", names.join(" ")).into());
    }
    Ok((scenarios, settings))
}

fn number<N: FromStr + Default + PartialEq>(text: &str) -> Result<N, Failure> {
    let number = text.parse().ok().filter(|number| *number != N::default());
    number.ok_or_else(|| format!("{text} is no number above 0").into())
}
