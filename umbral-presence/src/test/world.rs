//! A server with people.

use std::{
    fmt::Display,
    sync::{Arc, Weak},
    time::Duration,
};

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    person::Person,
    tab::{Calls, DEADLINE, Shared},
    unmet::Unmet,
};
use crate::{access::TestUser, error::BuildError, plugin::RealtimePlugin, realtime::Realtime};

/// How often is looked whether everything is settled.
const LOOK: Duration = Duration::from_millis(5);

/// A server in memory, and the people who use it.
#[derive(Debug)]
pub struct World {
    realtime: Realtime,
    tabs: Arc<Mutex<Vec<Weak<Shared>>>>,
}

impl World {
    /// Builds the application's plugin. People of [`user`](Self::user) are who they are, whatever the
    /// plugin's identity resolver says; it is asked about [others](Self::visitor).
    ///
    /// # Errors
    ///
    /// [`BuildError`], as [`RealtimePlugin::build`] says.
    pub fn new(plugin: RealtimePlugin) -> Result<Self, BuildError> {
        Ok(Self { realtime: plugin.for_tests().build()?, tabs: Arc::default() })
    }

    /// The handle, as the application has it.
    #[must_use]
    pub fn realtime(&self) -> &Realtime {
        &self.realtime
    }

    /// A signed-in user with this id.
    pub fn user(&self, id: impl Display) -> Person {
        self.person(Some(TestUser(id.to_string())))
    }

    /// Somebody of whom nothing is known but what the [headers](Person::header) say.
    #[must_use]
    pub fn visitor(&self) -> Person {
        self.person(None)
    }

    fn person(&self, user: Option<TestUser>) -> Person {
        let (router, base) = (self.realtime.router(), self.realtime.base().to_owned());
        Person::new(Calls { router, base, user, headers: HeaderMap::new() }, self.tabs.clone())
    }

    /// Lets so much time go by. With a paused clock that takes no time.
    pub async fn after(&self, time: Duration) {
        sleep(time).await;
    }

    /// Waits until every tab shows what is true: no event and no change is on its way, and no resolver is
    /// being asked. A grace that is running is no reason to wait, and neither is a tab whose connection
    /// the server has ended.
    ///
    /// # Errors
    ///
    /// [`Unmet::Unsettled`] if that is not so within five seconds: a resolver hangs, say.
    pub async fn settled(&self) -> Result<(), Unmet> {
        let start = Instant::now();
        let mut was_settled = false;
        loop {
            match self.unsettled().await {
                None if was_settled => return Ok(()),
                // Tasks that are about to go on may have something to tell.
                None => yield_now().await,
                Some(open) if start.elapsed() > DEADLINE => return Err(Unmet::Unsettled(open)),
                Some(_) => {
                    was_settled = false;
                    sleep(LOOK).await;
                    continue;
                }
            }
            was_settled = true;
        }
    }

    /// What is not settled yet. It is looked for in the order in which it goes its way.
    async fn unsettled(&self) -> Option<String> {
        if self.realtime.is_resolving() {
            return Some("a batch resolver has not answered".to_owned());
        }
        if self.realtime.is_telling_anybody() {
            return Some("a change of a group has not been told".to_owned());
        }
        let tabs: Vec<_> = self.tabs.lock().iter().filter_map(Weak::upgrade).collect();
        let presence = self.realtime.presence();
        for tab in tabs {
            // The outbox first: what the tab's task has taken from it shows in the task.
            if !tab.has_ended() && (self.realtime.is_writing_to(tab.conn()) || tab.is_reading()) {
                return Some("a tab has not read what is on its way to it".to_owned());
            }
            for group in tab.groups() {
                let members = presence.members(group.clone()).await.unwrap_or_default();
                let payload = |it| serde_json::to_value(it).unwrap_or_default().to_string();
                let mut there: Vec<_> = members.iter().map(payload).collect();
                let mut shown: Vec<_> =
                    tab.members(&group).iter().map(ToString::to_string).collect();
                there.sort_unstable();
                shown.sort_unstable();
                if there != shown {
                    return Some(format!("{group} shows {shown:?} and holds {there:?}"));
                }
            }
        }
        None
    }
}
