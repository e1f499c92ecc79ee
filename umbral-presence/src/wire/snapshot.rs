//! The members of a group at one version, as everybody is told who needs them at that
//! version: a newcomer, a reader that fell behind, a watcher, `GET members`.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frames::{Dialect, Frames, SSE_HEAD, SSE_TAIL, Transport};
use crate::{
    name::GroupName,
    roster::{Member, Roll},
};

/// A snapshot of more bytes is written in pieces, which are made when the transport asks for
/// them: a reader that does not read holds the pages of the roll and no text of its own.
const PIECE_BYTES: usize = 64 * 1024;

/// One version of a group.
#[derive(Debug)]
pub(crate) struct Snapshot {
    group: GroupName,
    version: u64,
    roll: Roll,
    /// The whole text by transport, where it is one piece.
    whole: [OnceLock<Bytes>; 2],
    members: OnceLock<Arc<[Member]>>,
}

impl Snapshot {
    pub(crate) fn new(group: GroupName, version: u64, roll: Roll) -> Self {
        Self { group, version, roll, whole: Default::default(), members: OnceLock::new() }
    }

    /// Everybody, in order of joining: one list for all who ask.
    pub(crate) fn members(&self) -> &Arc<[Member]> {
        self.members.get_or_init(|| self.roll.members().cloned().collect())
    }

    /// The frame `presence:sync`, if it is small enough to be written at once.
    pub(crate) fn whole(&self, dialect: Dialect) -> Option<Frames> {
        if self.roll.bytes() > PIECE_BYTES {
            return None;
        }
        let whole = match dialect.transport {
            Transport::Sse => &self.whole[0],
            Transport::WebSocket => &self.whole[1],
        };
        let whole = whole.get_or_init(|| self.write_whole(&Envelope::sync(self, dialect)));
        Some(whole.clone().into())
    }

    fn write_whole(&self, envelope: &Envelope) -> Bytes {
        let mut bytes = Vec::with_capacity(self.roll.bytes() + envelope.bytes());
        bytes.extend_from_slice(&envelope.head);
        let start = bytes.len();
        self.roll.pages().for_each(|page| page.write_payloads(&mut bytes));
        drop_comma(&mut bytes, start);
        if let Some(middle) = &envelope.middle {
            bytes.extend_from_slice(middle);
            let start = bytes.len();
            self.roll.pages().for_each(|page| page.write_keys(&mut bytes));
            drop_comma(&mut bytes, start);
        }
        bytes.extend_from_slice(&envelope.tail);
        bytes.into()
    }

    /// The frame `presence:sync` in pieces.
    pub(crate) fn pieces(self: &Arc<Self>, dialect: Dialect) -> Pieces {
        Pieces::new(self.clone(), Envelope::sync(self, dialect))
    }

    /// The answer of `GET members` in pieces.
    pub(crate) fn listing(self: &Arc<Self>) -> Pieces {
        Pieces::new(self.clone(), Envelope::listing(self))
    }
}

/// Takes the comma before the first of some values away.
fn drop_comma(bytes: &mut Vec<u8>, start: usize) {
    if bytes.len() > start {
        bytes.remove(start);
    }
}

/// What stands around the members' payloads and their keys.
#[derive(Debug)]
struct Envelope {
    head: Bytes,
    /// Between payloads and keys; without it there are no keys.
    middle: Option<Bytes>,
    tail: Bytes,
}

impl Envelope {
    fn sync(snapshot: &Snapshot, dialect: Dialect) -> Self {
        // A text always has a JSON form.
        let group = serde_json::json!(snapshot.group).to_string();
        let version = snapshot.version;
        let (head, tail) = match dialect.transport {
            Transport::Sse => {
                let head = format!("{{\"c\":{group},\"e\":\"presence:sync\",\"d\":[");
                ([SSE_HEAD, head.as_bytes()].concat(), [b"]}", SSE_TAIL].concat())
            }
            Transport::WebSocket => {
                let head = format!("{{\"channel\":{group},\"event\":\"presence:sync\",\"data\":[");
                (head.into_bytes(), b"]}".to_vec())
            }
        };
        let middle = Some(format!("],\"v\":{version},\"k\":[").into());
        Self { head: head.into(), middle, tail: tail.into() }
    }

    fn listing(Snapshot { group, version, .. }: &Snapshot) -> Self {
        let group = serde_json::json!(group);
        Self {
            head: format!("{{\"group\":{group},\"v\":{version},\"members\":[").into(),
            middle: None,
            tail: Bytes::from_static(b"]}"),
        }
    }

    fn bytes(&self) -> usize {
        self.head.len() + self.middle.as_ref().map_or(0, Bytes::len) + self.tail.len()
    }
}

/// A piece of something that is too large to be written at once.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// Nothing of the same frame comes after it.
    pub(crate) is_last: bool,
}

/// A snapshot that is being written.
///
/// ```text
/// Head ─▶ Payloads(page, byte) ─▶ Middle ─▶ Keys(page) ─▶ Tail ─▶ Over
///                                └──── without keys ────▶┘
/// ```
#[derive(Debug)]
pub(crate) struct Pieces {
    snapshot: Arc<Snapshot>,
    envelope: Envelope,
    at: Position,
}

#[derive(Clone, Copy, Debug)]
enum Position {
    Head,
    Payloads(usize, usize),
    Middle,
    Keys(usize),
    Tail,
    Over,
}

impl Pieces {
    fn new(snapshot: Arc<Snapshot>, envelope: Envelope) -> Self {
        Self { snapshot, envelope, at: Position::Head }
    }

    /// About how many bytes they have together.
    pub(crate) fn bytes(&self) -> usize {
        self.snapshot.roll.bytes()
    }

    /// The next piece, made now.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        let roll = &self.snapshot.roll;
        let bytes = match self.at {
            Position::Head => {
                self.at = Position::Payloads(0, 1);
                self.envelope.head.clone()
            }
            Position::Payloads(page, byte) => {
                let Some(text) = roll.page(page).map(|page| page.payloads()) else {
                    self.at = Position::Middle;
                    return self.next();
                };
                let end = text.len().min(byte + PIECE_BYTES);
                let is_over = end == text.len();
                self.at = if is_over {
                    Position::Payloads(page + 1, 0)
                } else {
                    Position::Payloads(page, end)
                };
                // Shared with all readers of this page.
                text.slice(byte..end)
            }
            Position::Middle => {
                self.at = Position::Keys(0);
                let Some(middle) = &self.envelope.middle else {
                    self.at = Position::Tail;
                    return self.next();
                };
                middle.clone()
            }
            Position::Keys(n) => {
                let (keys, next) = self.keys(n);
                self.at =
                    if next < roll.pages().len() { Position::Keys(next) } else { Position::Tail };
                keys
            }
            Position::Tail => {
                self.at = Position::Over;
                return Some(Piece { bytes: self.envelope.tail.clone(), is_last: true });
            }
            Position::Over => return None,
        };
        Some(Piece { bytes, is_last: false })
    }

    /// The keys from a page on, for as many pages as make a piece; gives the page after them.
    fn keys(&self, from: usize) -> (Bytes, usize) {
        let (mut keys, mut next) = (Vec::new(), from);
        while let Some(page) = self.snapshot.roll.page(next)
            && keys.len() < PIECE_BYTES / 2
        {
            keys.extend_from_slice(&page.keys());
            next += 1;
        }
        if from == 0 {
            drop_comma(&mut keys, 0);
        }
        (keys.into(), next)
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        Self::next(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        name::UserId,
        roster::{Answer, Asked, Payload},
    };

    fn snapshot(members: u64, payload_bytes: usize) -> Arc<Snapshot> {
        let mut roll = Roll::default();
        for key in 1..=members {
            let payload = json!({ "id": key.to_string(), "x": "x".repeat(payload_bytes) });
            let payload = serde_json::value::to_raw_value(&payload).unwrap();
            let answer = Answer { payload: Payload::Json(payload.into()), asked: Asked::default() };
            roll.insert(Member::new(UserId::new(key.to_string()).unwrap(), key, answer));
        }
        Arc::new(Snapshot::new(GroupName::new("room:1").unwrap(), 9, roll))
    }

    const SSE: Dialect = Dialect { transport: Transport::Sse, v1: true };
    const WEB_SOCKET: Dialect = Dialect { transport: Transport::WebSocket, v1: true };

    fn together(pieces: Pieces) -> Vec<u8> {
        pieces.flat_map(|piece| piece.bytes).collect()
    }

    #[test]
    fn a_small_snapshot_is_one_frame_with_members_keys_and_version() {
        let frames = snapshot(2, 0).whole(SSE).unwrap();
        assert_eq!(
            frames.iter().next().unwrap(),
            "event: u\ndata: {\"c\":\"room:1\",\"e\":\"presence:sync\",\
             \"d\":[{\"id\":\"1\",\"x\":\"\"},{\"id\":\"2\",\"x\":\"\"}],\"v\":9,\"k\":[1,2]}\n\n"
        );
        let nobody = snapshot(0, 0).whole(WEB_SOCKET).unwrap();
        assert_eq!(
            nobody.iter().next().unwrap(),
            r#"{"channel":"room:1","event":"presence:sync","data":[],"v":9,"k":[]}"#
        );
    }

    #[test]
    fn pieces_together_are_the_whole() {
        for (members, payload_bytes) in [(0, 3), (1, 3), (2, 3), (5000, 3), (3, 100_000)] {
            let snapshot = snapshot(members, payload_bytes);
            for dialect in [SSE, WEB_SOCKET] {
                let whole = snapshot.write_whole(&Envelope::sync(&snapshot, dialect));
                assert_eq!(together(snapshot.pieces(dialect)), whole, "{members}");
            }
            let listing: Value = serde_json::from_slice(&together(snapshot.listing())).unwrap();
            assert_eq!(listing["members"].as_array().unwrap().len() as u64, members);
            assert_eq!((&listing["group"], &listing["v"]), (&json!("room:1"), &json!(9)));
        }
    }

    #[test]
    fn a_large_snapshot_is_never_written_at_once() {
        for (members, payload_bytes) in [(200_000, 0), (1000, 8000), (10, 200_000)] {
            let snapshot = snapshot(members, payload_bytes);
            assert!(snapshot.whole(SSE).is_none());
            let mut pieces = snapshot.pieces(SSE);
            let mut last = false;
            while let Some(piece) = pieces.next() {
                assert!(piece.bytes.len() <= PIECE_BYTES, "{}", piece.bytes.len());
                assert!(!last);
                last = piece.is_last;
            }
            assert!(last);
        }
    }

    #[test]
    fn readers_share_the_text_of_a_page() {
        let snapshot = snapshot(5000, 20);
        let places = |pieces: Pieces| {
            pieces.skip(1).take(3).map(|piece| piece.bytes.as_ptr().addr()).collect::<Vec<_>>()
        };
        assert_eq!(places(snapshot.pieces(SSE)), places(snapshot.pieces(WEB_SOCKET)));
        assert_eq!(places(snapshot.pieces(SSE)), places(snapshot.listing()));
    }
}
