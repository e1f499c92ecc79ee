//! A stream that is watched all along, and what is true of its group.

use std::{collections::BTreeSet, time::Duration};

use umbral_presence::Realtime;

use crate::{
    client::Client,
    fold::Fold,
    frame::{Frame, Kind},
    routes::{Chunks, told},
    server::Server,
    wait::{eventually, settled},
};

/// A stream and the roster that its frames fold to.
pub struct Watcher {
    /// The stream.
    pub client: Client,
    /// The roster of its group.
    pub roster: Fold,
}

impl Watcher {
    /// Opens a stream of one group, as `user` or anonymously.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn open(server: &Server, kind: Kind, user: Option<&str>, group: &str) -> Self {
        let client = Client::open(server, kind, user, group).await;
        Self { client, roster: Fold::of(group) }
    }

    /// Folds what arrives within `time`.
    pub async fn read_for(&mut self, time: Duration) {
        for frame in self.client.drain(time).await {
            self.roster.take(&frame);
        }
    }

    /// Folds everything up to a [mark](Server::mark) in its group.
    pub async fn catch_up(&mut self, mark: &str) {
        for frame in self.client.frames_until(mark).await {
            self.roster.take(&frame);
        }
    }
}

/// Waits until the members of a group are `truth`, by what the application is told and by what
/// clients are.
///
/// # Panics
///
/// Where they never are.
pub async fn is_settled(realtime: &Realtime, group: &str, truth: &BTreeSet<String>) {
    eventually("the server knows who stayed", || async {
        let members = realtime.presence().members(group).await.expect("a valid name");
        members.iter().map(|member| member.id().to_string()).collect::<BTreeSet<_>>() == *truth
    })
    .await;
    // Who came and went all the time is told of at a falling pace.
    eventually("what is told is true", || async { told(realtime, group).await == *truth }).await;
    // A large room is told row by row, and whoever comes then is told last.
    let mut newcomer = Chunks::anonymous(realtime, &format!("groups={group}")).await;
    let is_sync = |frame: &Frame| frame.event == "presence:sync";
    settled("everybody has been told", async {
        while !newcomer.frames().await.expect("an open stream").iter().any(is_sync) {}
    })
    .await;
}
