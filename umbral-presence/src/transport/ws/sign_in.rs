//! A connection whose first text says who it is of, because a page can give a handshake no header.
//!
//! ```text
//! ?auth=1 ──▶ 101 ──▶ {"op": "auth", "token": ..} ──▶ the door ──▶ @hello
//!                └── 10 s ──▶ the end                     └──▶ @refused, the end
//! ```

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, header::AUTHORIZATION, request::Parts};
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::frame::coding::CloseCode};

use super::{
    super::{
        admission::{Wish, admit},
        refusal::Refusal,
        site::Site,
    },
    closing::{CLOSE_WITHIN, Closing, complaint},
    fragments::Fragments,
    socket::Socket,
};
use crate::hub::{Session, Turn};

/// The time in which the first text must arrive.
const SIGN_IN_WITHIN: Duration = Duration::from_secs(10);

/// A request that has become a socket, and of which it is not known yet whose it is.
pub(super) struct Visitor {
    pub(super) parts: Parts,
    pub(super) wish: Wish,
    /// Its place, as long as it has no connection's.
    pub(super) turn: Turn,
}

/// The first text.
#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(rename = "op")]
    _op: Op,
    /// `None` is an anonymous visitor.
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Auth,
}

impl Visitor {
    /// Opens the session of the user whose token comes first. Otherwise the peer is told why not, and
    /// the connection ends, with a reason if there is somebody to read it.
    pub(super) async fn sign_in(
        self: Box<Self>,
        socket: &mut Socket,
        site: &Site,
    ) -> Result<Session, Option<Closing>> {
        let Self { mut parts, wish, turn } = *self;
        let first = first_text(socket).await?;
        let session = match header(&first) {
            Ok(header) => {
                parts.headers.remove(AUTHORIZATION);
                parts.headers.extend(header.map(|value| (AUTHORIZATION, value)));
                Box::pin(admit(site, &parts, &wish)).await
            }
            Err(refusal) => Err(refusal),
        };
        let refusal = match session {
            Ok(session) => return Ok(session),
            Err(refusal) => refusal,
        };
        refusal.log();
        let frames = site.door.hub.encoder().control(wish.dialect, "@refused", &refusal.body());
        let mut fragments = Fragments::default();
        fragments.push_texts(&frames);
        let tell = async {
            while let Some(fragment) = fragments.next() {
                socket.send(fragment).await?;
            }
            Ok::<_, Error>(())
        };
        let _ = timeout(CLOSE_WITHIN, tell).await;
        drop(turn);
        Err(Some((CloseCode::Policy, "refused")))
    }
}

/// The first text of the peer.
async fn first_text(socket: &mut Socket) -> Result<String, Option<Closing>> {
    let deadline = Instant::now() + SIGN_IN_WITHIN;
    loop {
        let Ok(message) = timeout_at(deadline, socket.next()).await else {
            return Err(Some((CloseCode::Policy, "no sign-in came in time")));
        };
        match message {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(error)) => return Err(complaint(&error)),
            Some(Ok(_)) | None => return Err(None),
        }
    }
}

/// The token of the first text, as a request's header has it. An error does not repeat the text.
fn header(text: &str) -> Result<Option<HeaderValue>, Refusal> {
    let Auth { token, .. } = serde_json::from_str(text).map_err(|_| {
        let message = "with auth=1 the first text is {\"op\": \"auth\", \"token\": ..}, once";
        Refusal::no_auth(message)
    })?;
    let bearer = |token| HeaderValue::try_from(format!("Bearer {token}"));
    let mut header = token
        .map(bearer)
        .transpose()
        .map_err(|_| Refusal::no_auth("the token has a character that no header may have"))?;
    if let Some(header) = &mut header {
        header.set_sensitive(true);
    }
    Ok(header)
}
