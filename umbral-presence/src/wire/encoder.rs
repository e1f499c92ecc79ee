//! Writes frames.

use std::time::Duration;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::frames::{Dialect, Frames, SSE_HEAD, SSE_TAIL, Transport};
use crate::{name::GroupName, roster::Change};

/// The channel of frames that concern the connection itself.
pub(crate) const CONNECTION_CHANNEL: &str = "@conn";

/// The channel of frames to every connection.
pub(crate) const BROADCAST_CHANNEL: &str = "@broadcast";

/// Encodes frames.
///
/// They have no `id:`. One counted here would tell each reader how much is sent to others.
#[derive(Debug, Default)]
pub(crate) struct Encoder;

impl Encoder {
    /// A message of the application, or a control frame.
    pub(crate) fn message(
        &self,
        dialect: Dialect,
        channel: &str,
        event: &str,
        data: &impl Serialize,
    ) -> Frames {
        self.frame(dialect.transport, &Frame::new(channel, event, data)).into()
    }

    /// A control frame to the connection itself.
    pub(crate) fn control(&self, dialect: Dialect, event: &str, data: &impl Serialize) -> Frames {
        self.message(dialect, CONNECTION_CHANNEL, event, data)
    }

    /// Has an `EventSource` wait so long before it opens its next stream.
    pub(crate) fn retry(after: Duration) -> Frames {
        Bytes::from(format!("retry: {}\n\n", after.as_millis())).into()
    }

    /// The changes of one tick, the last of which made the version `version`.
    pub(crate) fn delta(
        &self,
        dialect: Dialect,
        group: &GroupName,
        changes: &[Change],
        version: u64,
    ) -> Frames {
        if dialect.v1 {
            let entries: Vec<_> = changes.iter().map(DiffEntry).collect();
            let frame = Frame::new(group.as_str(), "presence:diff", &entries).at(version);
            return self.frame(dialect.transport, &frame).into();
        }
        let first = version + 1 - changes.len() as u64;
        let frames = changes.iter().zip(first..).map(|(change, version)| {
            let frame = Frame::new(group.as_str(), change.event(), change.member())
                .at(version)
                .of(change.member().key());
            self.frame(dialect.transport, &frame)
        });
        match dialect.transport {
            // One chunk, and so one write.
            Transport::Sse => Bytes::from(frames.collect::<Vec<_>>().concat()).into(),
            Transport::WebSocket => frames.collect(),
        }
    }

    fn frame<D: Serialize + ?Sized, K: Serialize>(
        &self,
        transport: Transport,
        frame: &Frame<'_, D, K>,
    ) -> Bytes {
        const NEVER_FAILS: &str = "a frame has text keys only and is written to memory";
        let mut bytes = Vec::with_capacity(128);
        match transport {
            Transport::Sse => {
                bytes.extend_from_slice(SSE_HEAD);
                // JSON has no line break outside of strings, and escapes those inside.
                serde_json::to_writer(&mut bytes, &SseFrame::from(frame)).expect(NEVER_FAILS);
                bytes.extend_from_slice(SSE_TAIL);
            }
            Transport::WebSocket => {
                serde_json::to_writer(&mut bytes, frame).expect(NEVER_FAILS);
            }
        }
        bytes.into()
    }
}

/// A frame with the long names of the WebSocket.
#[derive(Serialize)]
struct Frame<'a, D: ?Sized, K> {
    channel: &'a str,
    event: &'a str,
    data: &'a D,
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    key: Option<K>,
}

/// The same frame with the short names of the event stream.
#[derive(Serialize)]
struct SseFrame<'a, D: ?Sized, K> {
    c: &'a str,
    e: &'a str,
    d: &'a D,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<&'a K>,
}

impl<'a, D: ?Sized, K> From<&'a Frame<'a, D, K>> for SseFrame<'a, D, K> {
    fn from(frame: &'a Frame<'a, D, K>) -> Self {
        Self {
            c: frame.channel,
            e: frame.event,
            d: frame.data,
            v: frame.version,
            k: frame.key.as_ref(),
        }
    }
}

impl<'a, D: ?Sized> Frame<'a, D, u64> {
    fn new(channel: &'a str, event: &'a str, data: &'a D) -> Self {
        Self { channel, event, data, version: None, key: None }
    }
}

impl<'a, D: ?Sized, K> Frame<'a, D, K> {
    fn at(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// With the key of a member, or the keys of several.
    fn of<L>(self, key: L) -> Frame<'a, D, L> {
        Frame {
            channel: self.channel,
            event: self.event,
            data: self.data,
            version: self.version,
            key: Some(key),
        }
    }
}

impl Change {
    fn event(&self) -> &'static str {
        match self {
            Self::Joined(_) => "presence:join",
            Self::Left(_) => "presence:leave",
            Self::Updated(_) => "presence:update",
        }
    }
}

/// `["+", key, payload]`, `["~", key, payload]` or `["-", key]`.
struct DiffEntry<'a>(&'a Change);

impl Serialize for DiffEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Change::Joined(member) => ("+", member.key(), member.payload()).serialize(serializer),
            Change::Updated(member) => ("~", member.key(), member.payload()).serialize(serializer),
            Change::Left(member) => ("-", member.key()).serialize(serializer),
        }
    }
}

/// The data of a message, encoded before anything is sent, so that a value without a JSON
/// form is an error and not half a broadcast.
pub(crate) fn encode_data(data: &impl Serialize) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(data)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        name::UserId,
        roster::{Answer, Asked, Member, Payload},
    };

    const fn dialect(transport: Transport, v1: bool) -> Dialect {
        Dialect { transport, v1 }
    }

    fn member(id: &str, key: u64) -> Member {
        let payload = encode_data(&json!({ "id": id })).unwrap();
        Member::new(
            UserId::new(id).unwrap(),
            key,
            Answer { payload: Payload::Json(payload.into()), asked: Asked::default() },
        )
    }

    fn text(frames: &Frames) -> Vec<&str> {
        frames.iter().map(|f| std::str::from_utf8(f).unwrap()).collect()
    }

    #[test]
    fn the_changes_of_a_tick_are_one_diff_or_one_frame_each() {
        let (encoder, group) = (Encoder, GroupName::new("room:1").unwrap());
        let changes = [
            Change::Joined(member("a", 3)),
            Change::Left(member("b", 2)),
            Change::Updated(member("c", 1)),
        ];
        let frames = encoder.delta(dialect(Transport::WebSocket, true), &group, &changes, 9);
        assert_eq!(
            text(&frames),
            [
                r#"{"channel":"room:1","event":"presence:diff","data":[["+",3,{"id":"a"}],["-",2],["~",1,{"id":"c"}]],"v":9}"#
            ]
        );
        let frames = encoder.delta(dialect(Transport::WebSocket, false), &group, &changes, 9);
        assert_eq!(
            text(&frames),
            [
                r#"{"channel":"room:1","event":"presence:join","data":{"id":"a"},"v":7,"k":3}"#,
                r#"{"channel":"room:1","event":"presence:leave","data":{"id":"b"},"v":8,"k":2}"#,
                r#"{"channel":"room:1","event":"presence:update","data":{"id":"c"},"v":9,"k":1}"#,
            ]
        );
        let frames = encoder.delta(dialect(Transport::Sse, false), &group, &changes, 9);
        assert_eq!(frames.iter().count(), 1);
        assert_eq!(text(&frames)[0].matches("event: u\n").count(), 3);
    }

    #[test]
    fn a_line_break_in_the_data_stays_inside_its_frame() {
        let encoder = Encoder;
        let data = "a\n\nevent: u\ndata: b\r";
        let frames = encoder.message(dialect(Transport::Sse, true), "room:1", "chat", &data);
        assert_eq!(text(&frames)[0].lines().count(), 3);
    }
}
