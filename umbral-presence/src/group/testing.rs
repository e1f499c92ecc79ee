//! A client for tests. It panics if a frame contradicts the frames before it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    connection::Reader,
    wire::{Frames, Transport},
};

/// A roster folded from frames.
pub(crate) struct Witness {
    pub(crate) reader: Arc<Reader>,
    /// `None` before the first snapshot.
    pub(crate) members: Option<BTreeMap<u64, Value>>,
    version: u64,
    pub(crate) messages: u64,
}

impl Witness {
    pub(crate) fn of(reader: Arc<Reader>) -> Self {
        Self { reader, members: None, version: 0, messages: 0 }
    }

    /// What is shown of the members, sorted.
    pub(crate) fn shown(&self) -> Vec<Value> {
        let mut shown: Vec<Value> =
            self.members.iter().flat_map(BTreeMap::values).cloned().collect();
        shown.sort_by_key(ToString::to_string);
        shown
    }

    pub(crate) fn take(&mut self, frames: &Frames) {
        for bytes in frames.iter() {
            let text = std::str::from_utf8(bytes).unwrap();
            match self.reader.dialect.transport {
                Transport::WebSocket => self.fold(&serde_json::from_str(text).unwrap()),
                Transport::Sse => text
                    .lines()
                    .filter_map(|line| line.strip_prefix("data: "))
                    .for_each(|data| self.fold(&long_names(data))),
            }
        }
    }

    /// Takes one frame in, unless it contradicts those before it.
    fn fold(&mut self, frame: &Value) {
        let (event, data) = (frame["event"].as_str().unwrap(), &frame["data"]);
        if event == "chat" {
            self.messages += 1;
            return;
        }
        if event == "@lagged" {
            self.messages += data["missed"].as_u64().unwrap();
            return;
        }
        let version = frame["v"].as_u64().unwrap();
        let key = frame["k"].as_u64().unwrap_or_default();
        let changes = match event {
            "presence:sync" => {
                let keys = frame["k"].as_array().unwrap().iter().map(|key| key.as_u64().unwrap());
                self.members = Some(keys.zip(data.as_array().unwrap().clone()).collect());
                self.version = version;
                return;
            }
            "presence:diff" => data.as_array().unwrap().clone(),
            "presence:join" => vec![json!(["+", key, data])],
            "presence:update" => vec![json!(["~", key, data])],
            "presence:leave" => vec![json!(["-", key])],
            other => panic!("an unknown event {other}"),
        };
        assert_eq!(self.version + changes.len() as u64, version, "a version is missing");
        self.version = version;
        let members = self.members.as_mut().expect("the snapshot comes first");
        for change in changes {
            let key = change[1].as_u64().unwrap();
            let before = match change[0].as_str() {
                Some("-") => members.remove(&key),
                _ => members.insert(key, change[2].clone()),
            };
            assert_eq!(before.is_some(), change[0] != "+", "{change} after {before:?}");
            assert_ne!(before.as_ref(), change.get(2), "nothing has changed");
        }
    }
}

/// A frame of an event stream, with the names that a WebSocket uses.
fn long_names(data: &str) -> Value {
    let mut frame: Value = serde_json::from_str(data).unwrap();
    for (short, long) in [("c", "channel"), ("e", "event"), ("d", "data")] {
        frame[long] = frame[short].take();
    }
    frame
}
