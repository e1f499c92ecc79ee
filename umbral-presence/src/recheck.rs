//! Asking again, while connections are open, who their users are and what they may see.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::json;
use tokio::{runtime::Handle, task::JoinHandle, time::sleep};

use crate::{connection::Connection, outbox::End, realtime::App};

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
        let connections = match app.upgrade() {
            Some(app) => app.hub.all_connections(),
            None => return,
        };
        // Spread over the interval, so that a database is not asked everything at once.
        let pause = every / u32::try_from(connections.len()).unwrap_or(u32::MAX).max(1);
        if connections.is_empty() {
            sleep(every).await;
        }
        for connection in connections {
            sleep(pause).await;
            match app.upgrade() {
                Some(app) => recheck(&app, &connection).await,
                None => return,
            }
        }
    }
}

/// Asks for one connection. Where there is no answer everything stays as it is, until the
/// next time: an outage of a database is not to send everybody away.
async fn recheck(app: &App, connection: &Arc<Connection>) {
    if connection.outbox.has_ended() {
        return;
    }
    if let Some(request) = &connection.request {
        match app.identify(&request.0).await {
            Ok(user) if user == connection.user => {}
            Ok(_) => return app.hub.expel(connection, End::IdentityChanged),
            Err(error) => {
                tracing::error!(%error, "an identity could not be asked for again");
                return;
            }
        }
    }
    let groups = connection.groups();
    // It has been logged where the policy gave no answer.
    let Ok(answers) = app.may_join(connection.user.as_ref(), &groups).await else {
        return;
    };
    for (group, may_stay) in groups.into_iter().zip(answers) {
        if !may_stay && app.hub.leave_now(connection, &group) {
            app.hub.tell(connection, "@denied", &json!({ "group": group }));
        }
    }
}
