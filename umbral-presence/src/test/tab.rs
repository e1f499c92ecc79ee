//! One tab of somebody: a connection to the server.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, BodyDataStream, to_bytes},
};
use futures_util::StreamExt;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
    request::Builder,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{self, Notify},
    task::JoinHandle,
    time::{Instant, interval_at, timeout},
};
use tower_service::Service;

use super::{
    roster::{Frame, Rosters},
    seen::{Seen, id_of},
    unmet::Unmet,
};
use crate::{
    access::TestUser,
    name::{Group, GroupName},
};

/// How long is waited for what is expected.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// A client shows that it is there once in this time.
const PROOF: Duration = Duration::from_secs(20);

/// The most bytes of an answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// An open tab. To drop it is to [lose](Self::lose) it.
#[derive(Debug)]
pub struct Tab {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the tab's task and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    calls: Calls,
    /// Names the stream.
    conn: String,
    state: Mutex<State>,
    /// Held during a call: one after the other, so that an answer is the call's own.
    calling: sync::Mutex<()>,
    /// Cleared only while nothing of the stream is there to be read, so that nothing is on its way
    /// where the connection's outbox is empty as well.
    is_reading: Arc<AtomicBool>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    rosters: Rosters,
    /// Numbers the calls.
    n: u64,
    has_ended: bool,
}

/// How the tab makes its requests.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) router: Router,
    /// What everything is served under.
    pub(super) base: String,
    pub(super) user: Option<TestUser>,
    pub(super) headers: HeaderMap,
}

impl Calls {
    async fn make(&self, request: Builder, body: Body) -> Result<Body, Unmet> {
        // What the application has named is a header's, and so is a path that serves.
        let mut request = request.body(body).map_err(|error| Unmet::Header(error.to_string()))?;
        request.headers_mut().extend(self.headers.clone());
        if let Some(user) = &self.user {
            request.extensions_mut().insert(user.clone());
        }
        let answer = match self.router.clone().call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok(answer.into_body());
        }
        let body = to_bytes(answer.into_body(), MAX_ANSWER).await.unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Err(Unmet::Refused { status, body })
    }

    async fn control(&self, wanted: &Value) -> Result<Value, Unmet> {
        let request = Request::post(format!("{}/control", self.base));
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.make(request, Body::from(wanted.to_string())).await?;
        let body = to_bytes(answer, MAX_ANSWER).await.unwrap_or_default();
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

impl Shared {
    pub(super) fn conn(&self) -> &str {
        &self.conn
    }

    pub(super) fn groups(&self) -> Vec<GroupName> {
        self.state.lock().rosters.wanted().iter().cloned().collect()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    pub(super) fn is_reading(&self) -> bool {
        self.is_reading.load(Ordering::SeqCst)
    }

    pub(super) fn members(&self, group: &GroupName) -> Vec<Value> {
        self.state.lock().rosters.members(group)
    }

    /// Tells the server which groups the tab is in. The answer names those that are denied. The caller
    /// holds `calling`.
    async fn control(&self) -> Result<BTreeSet<GroupName>, Unmet> {
        let wanted = {
            let mut state = self.state.lock();
            state.n += 1;
            json!({ "conn": self.conn, "n": state.n, "groups": state.rosters.wanted() })
        };
        let answer = self.calls.control(&wanted).await?;
        let denied: Vec<String> =
            serde_json::from_value(answer["denied"].clone()).unwrap_or_default();
        let denied = denied.into_iter().filter_map(|group| GroupName::new(group).ok());
        let denied: BTreeSet<_> = denied.collect();
        let mut state = self.state.lock();
        denied.iter().for_each(|group| state.rosters.leave(group));
        Ok(denied)
    }

    /// Shows the server that the tab is there. A call that is under way does so too.
    async fn prove(&self) {
        if let Ok(_calling) = self.calling.try_lock() {
            // A refusal ends the stream, which shows.
            let _ = self.control().await;
        }
    }

    fn end(&self) {
        let mut state = self.state.lock();
        state.has_ended = true;
        state.rosters.end();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes some text of the stream. The rest of a line that has not ended yet is kept.
    fn take(&self, rest: &mut String, piece: &str) -> Option<String> {
        rest.push_str(piece);
        let end = rest.rfind('\n').map_or(0, |at| at + 1);
        let lines: String = rest.drain(..end).collect();
        let mut conn = None;
        for data in lines.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let Ok(frame) = serde_json::from_str::<Frame>(data) else {
                continue;
            };
            conn = conn.or_else(|| frame.conn());
            self.state.lock().rosters.take(frame);
        }
        self.changed.notify_waiters();
        conn
    }
}

/// Reads a stream, and shows the server that the tab is there.
async fn run(
    shared: Weak<Shared>,
    is_reading: Arc<AtomicBool>,
    mut stream: BodyDataStream,
    mut rest: String,
) {
    let mut proof = interval_at(Instant::now() + PROOF, PROOF);
    loop {
        let next = poll_fn(|cx| {
            // Before anything is taken from the outbox.
            is_reading.store(true, Ordering::SeqCst);
            let piece = stream.poll_next_unpin(cx);
            if piece.is_pending() {
                is_reading.store(false, Ordering::SeqCst);
            }
            piece
        });
        let piece = tokio::select! {
            piece = next => piece,
            _ = proof.tick() => {
                let Some(shared) = shared.upgrade() else { return };
                shared.prove().await;
                continue;
            }
        };
        let Some(shared) = shared.upgrade() else { return };
        match piece {
            Some(Ok(piece)) => {
                shared.take(&mut rest, &String::from_utf8_lossy(&piece));
            }
            _ => return shared.end(),
        }
    }
}

impl Tab {
    pub(super) async fn open(calls: Calls) -> Result<Self, Unmet> {
        let request = Request::get(format!("{}/sse?v=1", calls.base));
        let request = request.header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let mut stream = calls.make(request, Body::empty()).await?.into_data_stream();
        let is_reading = Arc::new(AtomicBool::new(true));
        let mut shared = Shared {
            calls,
            conn: String::new(),
            state: Mutex::default(),
            calling: sync::Mutex::default(),
            is_reading: is_reading.clone(),
            changed: Notify::new(),
        };
        let mut rest = String::new();
        // The first frame names the stream.
        while shared.conn.is_empty() {
            let Some(Ok(piece)) = stream.next().await else {
                return Err(Unmet::Ended(Vec::new()));
            };
            let conn = shared.take(&mut rest, &String::from_utf8_lossy(&piece));
            shared.conn = conn.unwrap_or_default();
        }
        let shared = Arc::new(shared);
        let task = tokio::spawn(run(Arc::downgrade(&shared), is_reading, stream, rest));
        Ok(Self { shared, task })
    }

    pub(super) fn shared(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    /// Enters another group as well.
    ///
    /// # Errors
    ///
    /// [`Unmet::Denied`] if the policy says no, and [`Unmet::Refused`] if the server does.
    pub async fn join(&mut self, group: impl Group) -> Result<(), Unmet> {
        let group = group.group_name()?;
        let _calling = self.shared.calling.lock().await;
        let is_new = self.shared.state.lock().rosters.enter(group.clone());
        match self.shared.control().await {
            Ok(denied) if denied.contains(&group) => Err(Unmet::Denied(group)),
            Ok(_) => Ok(()),
            Err(error) => {
                if is_new {
                    self.shared.state.lock().rosters.leave(&group);
                }
                Err(error)
            }
        }
    }

    /// Leaves a group. Others see it at once, unless the user is there in another tab.
    ///
    /// # Errors
    ///
    /// [`Unmet::Refused`] if the server refuses.
    pub async fn leave(&mut self, group: impl Group) -> Result<(), Unmet> {
        let group = group.group_name()?;
        let _calling = self.shared.calling.lock().await;
        self.shared.state.lock().rosters.leave(&group);
        self.shared.control().await.map(drop)
    }

    /// The tab is closed: the user leaves at once.
    pub async fn goodbye(self) {
        let _calling = self.shared.calling.lock().await;
        self.shared.state.lock().rosters.end();
        // Where the server has ended the stream already there is nobody to say goodbye to.
        let _ = self.shared.control().await;
    }

    /// The network is gone, or the browser has crashed: the user stays for the grace.
    pub fn lose(self) {}

    /// The payloads of a group's members, as the page has them now: none once the group is denied or the
    /// server has ended the connection.
    pub fn members(&self, group: impl Group) -> Vec<Value> {
        group.group_name().map(|group| self.shared.members(&group)).unwrap_or_default()
    }

    /// The ids of a group's members as the page has them now, sorted.
    pub fn ids(&self, group: impl Group) -> Vec<String> {
        let mut ids: Vec<_> = self.members(group).iter().map(id_of).collect();
        ids.sort_unstable();
        ids
    }

    /// Waits until a group shows exactly these members, by their ids.
    ///
    /// # Errors
    ///
    /// [`Unmet::Members`] if it does not within five seconds.
    pub async fn sees<I: Into<String>>(
        &mut self,
        group: impl Group,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<(), Unmet> {
        let group = group.group_name()?;
        let mut expected: Vec<String> = ids.into_iter().map(Into::into).collect();
        expected.sort_unstable();
        match self.wait(|tab| (tab.ids(&group) == expected).then_some(())).await {
            Some(()) => Ok(()),
            None => Err(Unmet::Members { shown: self.ids(&group), group, expected }),
        }
    }

    /// Waits for what is shown next and fits. What has come before it is passed over.
    ///
    /// # Errors
    ///
    /// [`Unmet::Late`] if nothing does within five seconds, and [`Unmet::Ended`] if the server has
    /// ended the connection. Both tell what has come.
    pub async fn until(&mut self, fits: impl Fn(&Seen) -> bool) -> Result<Seen, Unmet> {
        let found = self.wait(|tab| {
            let mut state = tab.shared.state.lock();
            let at = state.rosters.seen.iter().position(&fits);
            match at {
                Some(at) => state.rosters.seen.drain(..=at).next_back().map(Some),
                None if state.has_ended => Some(None),
                None => None,
            }
        });
        match found.await {
            Some(Some(seen)) => Ok(seen),
            Some(None) => Err(Unmet::Ended(self.seen())),
            None => Err(Unmet::Late(self.seen())),
        }
    }

    /// Waits for an event of the application, and gives its data.
    ///
    /// # Errors
    ///
    /// As those of [`until`](Self::until).
    pub async fn event(&mut self, name: &str) -> Result<Value, Unmet> {
        let seen = self.until(|seen| matches!(seen, Seen::Event { event, .. } if event == name));
        match seen.await? {
            Seen::Event { data, .. } => Ok(data),
            other => Err(Unmet::Late(vec![other])),
        }
    }

    /// What has been shown since the last look, in order.
    pub fn seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.state.lock().rosters.seen)
    }

    /// Waits until the server has ended the connection.
    ///
    /// # Errors
    ///
    /// [`Unmet::Late`] if it does not within five seconds.
    pub async fn ends(mut self) -> Result<(), Unmet> {
        match self.wait(|tab| tab.shared.has_ended().then_some(())).await {
            Some(()) => Ok(()),
            None => Err(Unmet::Late(self.seen())),
        }
    }

    /// Looks again after each change, for as long as somebody waits.
    async fn wait<T>(&self, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let found = async {
            loop {
                let changed = self.shared.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = look(self) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(DEADLINE, found).await.ok()
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.task.abort();
    }
}
