//! What a client sends over a WebSocket.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{
    admission::{MOST_QUESTIONS, group_names, sort_out},
    refusal::Refusal,
};
use crate::{
    ask::ask, connection::Connection, hub::now, message::MessageContext, rate::Rate, realtime::App,
};

/// What a client asks for; other texts are the application's.
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
    /// The snapshots once more.
    Sync,
}

/// The texts of one client: handled one after the other, while the next ones are read, so
/// that a goodbye and signs of life are seen however long that takes. So many may wait as
/// may come in a second, and as many bytes as one of them may have.
pub(super) struct Inbox {
    app: Arc<App>,
    connection: Arc<Connection>,
    rate: Rate,
    waiting: VecDeque<Utf8Bytes>,
    /// The bytes of those that wait.
    bytes: usize,
    handling: Option<Handling>,
}

type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Inbox {
    pub(super) fn new(app: Arc<App>, connection: Arc<Connection>) -> Self {
        let rate = Rate::new(app.hub.limits.messages_per_second, now());
        Self { app, connection, rate, waiting: VecDeque::new(), bytes: 0, handling: None }
    }

    /// Takes a text in, or says that it is one too many.
    pub(super) fn take(&mut self, text: Utf8Bytes) {
        let limits = &self.app.hub.limits;
        let most = limits.messages_per_second;
        let waits = self.waiting.len() < usize::try_from(most).unwrap_or(usize::MAX)
            && self.bytes + text.len() <= limits.message_bytes;
        // Refused and not put off: what waits would be the client's to fill.
        if !self.rate.admits(now()) || !waits {
            return self.app.hub.tell(
                &self.connection,
                "@refused",
                &Refusal::too_fast(most).body(),
            );
        }
        self.bytes += text.len();
        self.waiting.push_back(text);
        self.go_on();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.handling.is_some()
    }

    /// Handles the next text. Nothing is lost where the future is dropped.
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
            let (app, connection) = (self.app.clone(), self.connection.clone());
            self.handling = Some(Box::pin(handle(app, connection, text)));
        }
    }
}

/// Handles one text of the client.
async fn handle(app: Arc<App>, connection: Arc<Connection>, text: Utf8Bytes) {
    if let Ok(operation) = serde_json::from_str::<Operation>(&text) {
        return operate(&app, &connection, &operation).await;
    }
    let Some(handler) = &app.handler else {
        tracing::debug!("a message came and there is no handler; it is ignored");
        return;
    };
    let context = MessageContext::new(app.clone(), connection);
    let handled = ask(Duration::MAX, || handler.on_message(&context, &text)).await;
    if handled.is_err() {
        tracing::error!(user = ?context.user_id(), "the message handler panicked");
    }
}

async fn operate(app: &App, connection: &Arc<Connection>, operation: &Operation) {
    let hub = &app.hub;
    let refuse = |refusal: &Refusal| hub.tell(connection, "@refused", &refusal.body());
    let names = match group_names(app, operation.groups.iter().map(String::as_str)) {
        Ok(names) => names,
        Err(refusal) => return refuse(&refusal),
    };
    match operation.op {
        Verb::Join => {}
        Verb::Leave => {
            let left = hub.unsubscribe(connection, &names);
            return hub.tell(connection, "@left", &json!({ "groups": left }));
        }
        Verb::Sync => return hub.resync(connection, &names),
    }
    for _ in 0..MOST_QUESTIONS {
        // The policy has allowed those that the connection is in.
        let asked = hub.revocations.now();
        let (held, new): (Vec<_>, _) =
            names.iter().cloned().partition(|name| connection.is_in(name));
        let room = hub.limits.groups_per_connection;
        if connection.groups().len() + new.len() > room {
            return refuse(&Refusal::too_many_groups(room));
        }
        let (mut allowed, denied) = match sort_out(app, connection.user.as_ref(), new).await {
            Ok(answers) => answers,
            Err(refusal) => return refuse(&refusal),
        };
        let tell = |joined: &[_]| {
            if !joined.is_empty() {
                hub.tell(connection, "@joined", &json!({ "groups": joined }));
            }
            for group in &denied {
                hub.tell(connection, "@denied", &json!({ "group": group }));
            }
        };
        let new = allowed.clone();
        allowed.extend(held.iter().cloned());
        if let Ok(()) = hub.subscribe(connection, &new, &held, asked, || tell(&allowed)) {
            return;
        }
    }
    refuse(&Refusal::revoked());
}
