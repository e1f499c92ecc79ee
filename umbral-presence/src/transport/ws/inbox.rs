//! The texts that a client sends over a WebSocket.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::json;

use super::{
    super::{admission::group_names, refusal::Refusal, site::Site},
    sign_in::Auth,
};
use crate::{
    access::{Asker, Unfit},
    ask::ask,
    clock::now,
    connection::Rate,
    handle::MessageContext,
    hub::{Connection, Verdict},
    name::GroupName,
    wakes::Wakes,
};

/// A text for this library. All other texts are for the application.
#[derive(Debug, Deserialize)]
struct Operation {
    op: Verb,
    groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Join,
    Leave,
    /// Asks for the snapshots again.
    Sync,
}

/// The texts of one client. They are handled one after the other. Meanwhile the connection is read,
/// so that a goodbye or a sign of life is seen even if a text takes long.
///
/// As many texts may wait as may come in a second, and as many bytes as one text may have.
pub(super) struct Inbox {
    site: Arc<Site>,
    connection: Arc<Connection>,
    rate: Rate,
    /// Copies of the texts, because a part of the read buffer would keep all of it.
    waiting: VecDeque<Arc<str>>,
    /// The bytes of the texts that wait.
    bytes: usize,
    handling: Option<Handling>,
}

type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Inbox {
    pub(super) fn new(site: Arc<Site>, connection: Arc<Connection>) -> Self {
        let rate = Rate::new(site.door.hub.limits.messages_per_second, now());
        Self { site, connection, rate, waiting: VecDeque::new(), bytes: 0, handling: None }
    }

    /// Takes a text, or tells the client that it is one too many.
    pub(super) fn take(&mut self, text: &str) {
        let limits = &self.site.door.hub.limits;
        let most = limits.messages_per_second;
        let waits = self.waiting.len() < usize::try_from(most).unwrap_or(usize::MAX)
            && self.bytes + text.len() <= limits.message_bytes;
        // It is refused and not delayed: otherwise a client could fill the memory.
        if !self.rate.admits(now()) || !waits {
            let (hub, refusal) = (&self.site.door.hub, Refusal::too_fast(most));
            let user = self.connection.user();
            hub.counters().reached.note("messages_per_second", most as usize, user);
            return hub.send_control(&self.connection, "@refused", &refusal.body());
        }
        self.bytes += text.len();
        self.waiting.push_back(text.into());
        self.go_on();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.handling.is_some()
    }

    /// Handles the next text. No text is lost if the future is dropped.
    pub(super) async fn handle(&mut self) {
        if let Some(handling) = &mut self.handling {
            handling.await;
            self.handling = None;
        }
        self.go_on();
    }

    fn go_on(&mut self) {
        if self.handling.is_none()
            && let Some(text) = self.waiting.pop_front()
        {
            self.bytes -= text.len();
            let (site, connection) = (self.site.clone(), self.connection.clone());
            self.handling = Some(Box::pin(handle(site, connection, text)));
        }
    }
}

/// Handles one text of the client.
async fn handle(site: Arc<Site>, connection: Arc<Connection>, text: Arc<str>) {
    if let Ok(operation) = serde_json::from_str::<Operation>(&text) {
        return operate(&site, &connection, &operation).await;
    }
    // No application is to see a token.
    if serde_json::from_str::<Auth>(&text).is_ok() {
        let refusal = Refusal::no_auth("a token comes first, on a connection with auth=1");
        return site.door.hub.send_control(&connection, "@refused", &refusal.body());
    }
    let Some(handler) = &site.handler else {
        tracing::debug!("a message is ignored, because there is no message handler");
        return;
    };
    let context = MessageContext::new(site.door.clone(), connection, text.clone());
    let handled = ask(Duration::MAX, || handler.on_message(&context, &text)).await;
    if handled.is_err() {
        site.door.hub.counters().failed.handler(context.user_id());
    }
}

async fn operate(site: &Site, connection: &Arc<Connection>, operation: &Operation) {
    let hub = &site.door.hub;
    let names = group_names(site, operation.groups.iter().map(String::as_str));
    let done = match (operation.op, names) {
        (_, Err(refusal)) => Err(refusal),
        (Verb::Join, Ok(names)) => join(site, connection, &names).await,
        (Verb::Leave, Ok(names)) => {
            let left = hub.unsubscribe(connection, &names);
            hub.send_control(connection, "@left", &json!({ "groups": left }));
            Ok(())
        }
        (Verb::Sync, Ok(names)) => {
            hub.resync(connection, &names);
            Ok(())
        }
    };
    if let Err(refusal) = done {
        hub.send_control(connection, "@refused", &refusal.body());
    }
}

async fn join(
    site: &Site,
    connection: &Arc<Connection>,
    names: &[GroupName],
) -> Result<(), Refusal> {
    let hub = &site.door.hub;
    // A connection's operations run one after the other, so it has no more groups by then.
    let most = hub.limits.groups_per_connection;
    let (_, new) = connection.split(names);
    if connection.group_count() + new.len() > most {
        hub.counters().reached.note("groups_per_connection", most, connection.user());
        return Err(Refusal::too_many_groups(most));
    }
    let joining = site.door.admit(Asker::Member(connection), names, |_, verdict| {
        let Verdict { held, allowed, denied, .. } = verdict;
        let tell = |no_presence: &[GroupName], wakes: &mut Wakes| {
            let groups: Vec<_> = allowed.iter().chain(held).collect();
            if !groups.is_empty() {
                let mut joined = json!({ "groups": groups });
                if !no_presence.is_empty() {
                    joined["no_presence"] = json!(no_presence);
                }
                wakes.add(hub.queue_control(connection, "@joined", &joined));
            }
            if !denied.is_empty() {
                let denied = json!({ "groups": denied });
                wakes.add(hub.queue_control(connection, "@denied", &denied));
            }
        };
        hub.subscribe(connection, verdict, tell).map_err(Unfit::<Refusal>::from)
    });
    joining.await
}
