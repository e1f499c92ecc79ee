//! The other nodes, as the hub and the handles see them: there may be none.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::value::RawValue;
use tokio::{runtime::Handle, time::timeout};

use super::{
    calls::Silent,
    handle::{Answerer, Redis},
    host::Host,
    letter::{Ask, Reply},
    settings::Settings,
    shared::Shared,
    topic::Topic,
    waits::Wait,
};
use crate::{
    name::{GroupName, SessionId, UserId},
    store::{degraded::Degraded, whom::Whom},
};

/// The other nodes. None where there is no store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes(Option<Arc<Redis>>);

impl Nodes {
    /// Those that use the same store, if there is one. Nothing is connected yet.
    pub(crate) fn at(settings: Option<Settings>) -> Result<Self, getrandom::Error> {
        settings.map(Redis::new).transpose().map(Self)
    }

    /// Whether there may be any.
    pub(crate) fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// The store, where there is one.
    pub(crate) fn redis(&self) -> Option<&Arc<Redis>> {
        self.0.as_ref()
    }

    /// The process, as it names itself to the others.
    pub(crate) fn process(&self) -> Option<u64> {
        self.0.as_ref().map(|redis| redis.process())
    }

    /// Begins to take part for this host, as soon as a runtime is there.
    pub(crate) fn start<H: Host>(&self, host: &Weak<H>) {
        if let Some(redis) = &self.0 {
            redis.start(|| host.clone());
        }
    }

    /// Answers what other nodes ask with this.
    pub(crate) fn answer_with(&self, answerer: Answerer) {
        if let Some(redis) = &self.0 {
            redis.answer_with(answerer);
        }
    }

    /// What is known of a group that is new to this node.
    pub(crate) fn group(&self, now: Instant) -> Option<Shared> {
        self.0.as_ref().map(|redis| redis.group(now))
    }

    /// Somebody here begins or ends to be interested in what is sent to these, or there is news of
    /// the group.
    pub(crate) fn look(&self, whom: impl FnOnce() -> Whom) {
        if let Some(redis) = &self.0 {
            redis.look(Topic::For(whom()));
        }
    }

    /// To be waited for until what is sent to these reaches this node.
    pub(crate) fn wait(&self, whom: impl FnOnce() -> Whom) -> Option<Wait> {
        self.0.as_ref()?.wait_for(&Topic::For(whom()))
    }

    /// Waits for all of them, within this time. Without a runtime nothing is waited for.
    pub(crate) async fn wait_for_all(waits: Vec<Wait>, within: Duration) {
        if !waits.is_empty() && Handle::try_current().is_ok() {
            let _ = timeout(within, join_all(waits)).await;
        }
    }

    /// Sends an event to those on other nodes.
    pub(crate) fn send(&self, whom: &Whom, event: &str, data: &RawValue) {
        if let Some(redis) = &self.0 {
            redis.go_on();
            redis.send(Topic::For(whom.clone()), event, data);
        }
    }

    /// Since when and why this node goes on alone.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        self.0.as_ref()?.degraded()
    }

    /// This node ends: its users stay for that time, unless they have gone to another node.
    pub(crate) async fn leave(&self, after: Duration) {
        if let Some(redis) = &self.0 {
            redis.leave(after).await;
        }
    }

    /// Asks all other nodes. Gives their answers, and whether some did not answer.
    async fn ask_all(&self, ask: Ask) -> (Vec<Reply>, Option<Silent>) {
        match &self.0 {
            Some(redis) => {
                redis.go_on();
                redis.ask_all(ask).await
            }
            None => (Vec::new(), None),
        }
    }

    /// Asks all other nodes to do something. Says who has not answered.
    async fn ask(&self, ask: Ask) -> Option<Silent> {
        self.ask_all(ask).await.1
    }

    pub(crate) async fn disconnect(&self, user: &UserId) -> Option<Silent> {
        self.ask(Ask::Disconnect { user: user.to_string() }).await
    }

    pub(crate) async fn end_session(&self, session: &SessionId) -> Option<Silent> {
        self.ask(Ask::EndSession { session: session.as_str().to_owned() }).await
    }

    pub(crate) async fn recheck_user(&self, user: &UserId) -> Option<Silent> {
        self.ask(Ask::RecheckUser { user: user.to_string() }).await
    }

    pub(crate) async fn recheck_group(&self, group: &GroupName) -> Option<Silent> {
        self.ask(Ask::RecheckGroup { group: group.to_string() }).await
    }

    pub(crate) async fn refresh(&self, user: &UserId) -> Option<Silent> {
        self.ask(Ask::Refresh { user: user.to_string() }).await
    }

    /// The groups in which other nodes have a user, and who has not answered.
    pub(crate) async fn groups_of(&self, user: &UserId) -> (Vec<GroupName>, Option<Silent>) {
        let (replies, silent) = self.ask_all(Ask::GroupsOf { user: user.to_string() }).await;
        let groups = replies.into_iter().filter_map(|reply| match reply {
            Reply::Groups(groups) => Some(groups),
            _ => None,
        });
        let groups = groups.flatten().filter_map(|name| GroupName::new(name).ok());
        (groups.collect(), silent)
    }
}
