//! Ends connections when their users' sign-ins run out, and tells their clients before.
//!
//! ```text
//! a connection opens ─▶ a minute before the end: @expiring ─▶ the end: the resolver is asked again
//!        ▲                                                          │
//!        └── the client has called and is signed in for longer ◀────┴─▶ the connection ends
//! ```

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::StreamExt;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::time::{DelayQueue, delay_queue::Key};

use super::{door::Door, task::Task};
use crate::{hub::Connection, name::ConnectionId};

/// So long before the end a client is told, so that it can be signed in anew.
const NOTICE: Duration = Duration::from_secs(60);

/// A connection is looked at once in this time, so that one that is gone is soon forgotten.
const LOOK: Duration = Duration::from_secs(60);

/// The pause after a question that had no answer, and for how long it is asked again: a database that
/// is away for a moment sends nobody out.
const AGAIN: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// At most so many connections are asked about at once.
const AT_ONCE: usize = 256;

/// The way to the task that waits for ends.
#[derive(Debug, Default)]
pub(crate) struct Expiry(Task<Weak<Connection>>);

/// A connection that waits for its end.
#[derive(Debug)]
struct Waiting {
    id: ConnectionId,
    connection: Weak<Connection>,
    /// The end of which its client has been told.
    told: Option<std::time::Instant>,
    /// Since when it is asked for without an answer.
    unanswered: Option<Instant>,
}

impl Expiry {
    /// Waits for the end of a connection's sign-in, where it has one. It may be called again.
    pub(crate) fn watch(&self, door: &Arc<Door>, connection: &Arc<Connection>) {
        if connection.until().is_none() {
            return;
        }
        let run = |arrivals| run(arrivals, Arc::downgrade(door));
        self.0.send(Arc::downgrade(connection), run);
    }
}

/// The connections that the task knows, and where they wait; nowhere while they are asked about.
type Known = HashMap<ConnectionId, Option<Key>>;

/// Has a connection wait until then.
fn wait(due: &mut DelayQueue<Waiting>, known: &mut Known, waiting: Waiting, until: Instant) {
    let id = waiting.id;
    known.insert(id, Some(due.insert_at(waiting, until)));
}

/// The task. It ends when the application is gone, and the sending half with it.
async fn run(mut arrivals: mpsc::UnboundedReceiver<Weak<Connection>>, door: Weak<Door>) {
    let (mut due, mut known) = (DelayQueue::new(), Known::new());
    let mut asking = JoinSet::<(Waiting, bool)>::new();
    loop {
        let waiting = tokio::select! {
            arrival = arrivals.recv() => {
                let Some(connection) = arrival else { return };
                let Some(id) = connection.upgrade().map(|it| it.id()) else { continue };
                match known.get(&id) {
                    None => Waiting { id, connection, told: None, unanswered: None },
                    // The end may have come nearer.
                    Some(Some(key)) => due.remove(key).into_inner(),
                    Some(None) => continue,
                }
            }
            Some(expired) = due.next(), if asking.len() < AT_ONCE => expired.into_inner(),
            // A panic has been caught where the application was asked.
            Some(Ok((waiting, is_settled))) = asking.join_next(), if !asking.is_empty() => {
                if !is_settled {
                    // It waits without a question under way, so that it is in nobody's way.
                    let now = Instant::now();
                    let unanswered = waiting.unanswered.or(Some(now));
                    wait(&mut due, &mut known, Waiting { unanswered, ..waiting }, now + AGAIN);
                    continue;
                }
                Waiting { unanswered: None, ..waiting }
            }
        };
        let (Some(door), Some(connection)) = (door.upgrade(), waiting.connection.upgrade()) else {
            known.remove(&waiting.id);
            continue;
        };
        match step(&door, &connection, waiting.told) {
            Some(Step::Wait { until, told }) => {
                wait(&mut due, &mut known, Waiting { told, ..waiting }, until);
            }
            Some(Step::Ask) => {
                known.insert(waiting.id, None);
                let door = Arc::downgrade(&door);
                let is_last = waiting.unanswered.is_some_and(|since| since.elapsed() >= PATIENCE);
                asking.spawn(async move {
                    let is_settled = ask(&door, &waiting.connection, is_last).await;
                    (waiting, is_settled)
                });
            }
            None => {
                known.remove(&waiting.id);
            }
        }
    }
}

/// What is next for a connection.
enum Step {
    Wait { until: Instant, told: Option<std::time::Instant> },
    Ask,
}

/// Does what is due of a connection. Nothing is, if its sign-in has no end any more.
fn step(
    door: &Door,
    connection: &Arc<Connection>,
    told: Option<std::time::Instant>,
) -> Option<Step> {
    let (end, now) = (connection.until()?, Instant::now());
    let end_at = Instant::from_std(end);
    let left = end_at.saturating_duration_since(now);
    if left.is_zero() {
        return Some(Step::Ask);
    }
    if left > NOTICE {
        let until = end_at.checked_sub(NOTICE).unwrap_or(now).min(now + LOOK);
        return Some(Step::Wait { until, told });
    }
    if told != Some(end) && connection.dialect().v1 {
        let within = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        door.hub.send_control(connection, "@expiring", &json!({ "within": within }));
    }
    Some(Step::Wait { until: end_at, told: Some(end) })
}

/// Asks who a connection is of, by the request that is known of it. It ends where it is nobody's any
/// more, and where there is no answer the last time. Says whether it need not be asked again.
async fn ask(door: &Weak<Door>, connection: &Weak<Connection>, is_last: bool) -> bool {
    let (Some(door), Some(connection)) = (door.upgrade(), connection.upgrade()) else {
        return true;
    };
    let is_answered = match connection.request() {
        Some(request) => door.whose(&connection, &request.0).await.is_ok(),
        None => true,
    };
    let is_over = connection.until().is_some_and(|end| end <= Instant::now().into_std());
    let is_settled = is_answered || is_last || !is_over;
    if is_over && is_settled {
        door.hub.expire(&connection);
    }
    is_settled
}
