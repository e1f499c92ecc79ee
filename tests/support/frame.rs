//! What a client asks for, and what it is sent.

use serde::Deserialize;
use serde_json::Value;

/// Which transport, and whether with `v=1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Server-sent events.
    Sse,
    /// Server-sent events with `v=1`.
    SseV1,
    /// A WebSocket.
    Ws,
    /// A WebSocket with `v=1`.
    WsV1,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sse, Self::SseV1, Self::Ws, Self::WsV1];

    /// What to ask for, to be in these groups.
    pub fn path(self, groups: &str) -> String {
        let path = if self.is_sse() { "sse" } else { "ws" };
        let v = if matches!(self, Self::SseV1 | Self::WsV1) { "&v=1" } else { "" };
        format!("/realtime/{path}?groups={groups}{v}")
    }

    /// Whether it is an event stream.
    pub fn is_sse(self) -> bool {
        matches!(self, Self::Sse | Self::SseV1)
    }
}

/// One frame, whichever transport brought it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Frame {
    /// The group, `@user:{id}`, `@broadcast` or `@conn`.
    #[serde(alias = "c")]
    pub channel: String,
    /// The event.
    #[serde(alias = "e")]
    pub event: String,
    /// Its data.
    #[serde(alias = "d")]
    pub data: Value,
    /// The roster's version.
    pub v: Option<u64>,
    /// The member's key, or keys.
    pub k: Option<Value>,
}

impl Frame {
    /// Whether it tells of a roster.
    pub fn is_presence(&self) -> bool {
        self.event.starts_with("presence:")
    }
}

/// The events of those frames that tell of a roster.
pub fn presence_of(frames: &[Frame]) -> Vec<&str> {
    let presence = frames.iter().filter(|frame| frame.is_presence());
    presence.map(|frame| frame.event.as_str()).collect()
}
