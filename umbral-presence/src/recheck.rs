//! Asking again, while connections are open, who their users are and what they may see.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::{runtime::Handle, task::JoinHandle, time::sleep};

use crate::{connection::ConnectionId, outbox::End, realtime::App};

/// How many connections are asked for at once, at most.
const AT_ONCE: usize = 32;

/// The interval at which everything is asked again, and the task that does it.
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    every: Option<Duration>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Recheck {
    pub(crate) fn every(interval: Duration) -> Self {
        Self { every: Some(interval), task: Mutex::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.every.is_some()
    }

    /// Starts the task where it does not run: an application is built before its runtime may
    /// run, and may outlive it.
    pub(crate) fn start(&self, app: &Arc<App>) {
        let Some(every) = self.every else {
            return;
        };
        let mut task = self.task.lock();
        if task.as_ref().is_none_or(JoinHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            *task = Some(runtime.spawn(run(Arc::downgrade(app), every)));
        }
    }
}

/// Ends when the application is gone.
async fn run(app: Weak<App>, every: Duration) {
    loop {
        let ids = match app.upgrade() {
            Some(app) => app.hub.connection_ids(),
            None => return,
        };
        // Spread over the interval, so that a database is not asked everything at once.
        let pause = every / u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1);
        if ids.is_empty() {
            sleep(every).await;
        }
        let paced = stream::iter(ids).then(|id| async move {
            sleep(pause).await;
            id
        });
        // Answers that are slow to come do not hold up the other questions.
        paced.for_each_concurrent(AT_ONCE, |id| recheck(&app, id)).await;
    }
}

/// Asks for one connection. Where there is no answer everything stays as it is, until the
/// next time: an outage of a database is not to send everybody away.
async fn recheck(app: &Weak<App>, id: ConnectionId) {
    let Some(app) = app.upgrade() else {
        return;
    };
    let Some(connection) = app.hub.connection(id) else {
        return;
    };
    if let Some(request) = &connection.request {
        match app.identify(&request.0).await {
            Ok(user) if user == connection.user => {}
            Ok(_) => return app.hub.expel(&connection, End::IdentityChanged),
            Err(error) => {
                tracing::error!(%error, "an identity could not be asked for again");
                return;
            }
        }
    }
    for group in connection.groups() {
        // It has been logged where the policy gave no answer.
        if let Ok(false) = app.may_join(connection.user.as_ref(), &group).await {
            app.hub.ban_connection(&connection, &group);
        }
    }
}
