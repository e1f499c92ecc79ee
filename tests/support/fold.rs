//! A roster as a client folds it, strict about every rule of the wire.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::frame::Frame;

/// One group's roster, folded from one connection's frames.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    group: String,
    members: BTreeMap<u64, Value>,
    version: Option<u64>,
    /// Whether no snapshot may come but those that are due.
    keeps_up: bool,
    /// Snapshots that have been asked for and have not come.
    due: usize,
    /// How often a member left, by its id; of members without one nothing is counted.
    pub leaves: BTreeMap<String, usize>,
    /// How many snapshots have come.
    pub syncs: usize,
    /// How many changes have come.
    pub changes: usize,
}

impl Fold {
    /// A roster that waits for its snapshot.
    pub fn of(group: &str) -> Self {
        Self { group: group.to_owned(), due: 1, ..Self::default() }
    }

    /// The roster of a reader that keeps up: a snapshot that nobody has asked for
    /// contradicts it.
    pub fn kept_up(group: &str) -> Self {
        Self { keeps_up: true, ..Self::of(group) }
    }

    /// One more snapshot has been asked for, or the group has been joined once more.
    pub fn expect_snapshot(&mut self) {
        self.due += 1;
    }

    /// The members with their keys, by key.
    pub fn members(&self) -> Vec<(u64, Value)> {
        self.members.iter().map(|(key, payload)| (*key, payload.clone())).collect()
    }

    /// The version; `None` before the first snapshot.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// The members' payloads, sorted by their text.
    pub fn payloads(&self) -> Vec<Value> {
        let mut payloads: Vec<_> = self.members.values().cloned().collect();
        payloads.sort_by_key(Value::to_string);
        payloads
    }

    /// The members' ids, sorted.
    ///
    /// # Panics
    ///
    /// Where a payload has no id.
    pub fn ids(&self) -> Vec<String> {
        let id = |payload: &Value| payload["id"].as_str().expect("an id").to_owned();
        let mut ids: Vec<_> = self.members.values().map(id).collect();
        ids.sort();
        ids
    }

    /// Takes a frame in, whatever group it is of.
    ///
    /// # Panics
    ///
    /// Where it contradicts what came before: a delta before the snapshot, a version with
    /// a gap, a join of a present member, a leave or an update of an absent one, a snapshot
    /// that is older than what was told.
    pub fn take(&mut self, frame: &Frame) {
        if frame.channel != self.group {
            return;
        }
        match frame.event.as_str() {
            "presence:sync" => {
                let payloads = frame.data.as_array().expect("a list").iter().cloned();
                let keys: Vec<u64> =
                    serde_json::from_value(frame.k.clone().expect("keys")).expect("numbers");
                assert_eq!(keys.len(), payloads.len(), "a key per member: {frame:?}");
                if self.due == 0 {
                    assert!(!self.keeps_up, "a snapshot of {} out of turn", self.group);
                    assert!(self.version <= frame.v, "a snapshot from before: {frame:?}");
                }
                self.due = self.due.saturating_sub(1);
                self.members = keys.into_iter().zip(payloads).collect();
                self.version = frame.v;
                self.syncs += 1;
            }
            "presence:join" => {
                self.step(frame.v.expect("a version"));
                self.join(key(frame.k.as_ref()), &frame.data);
            }
            "presence:leave" => {
                self.step(frame.v.expect("a version"));
                let gone = self.leave(key(frame.k.as_ref()));
                assert_eq!(gone, frame.data, "a leave has the payload of the join");
            }
            "presence:update" => {
                self.step(frame.v.expect("a version"));
                self.update(key(frame.k.as_ref()), &frame.data);
            }
            "presence:diff" => {
                let entries = frame.data.as_array().expect("a list");
                let last = frame.v.expect("a version");
                for (version, entry) in (last + 1 - entries.len() as u64..).zip(entries) {
                    self.step(version);
                    match entry[0].as_str() {
                        Some("+") => self.join(key(entry.get(1)), &entry[2]),
                        Some("~") => self.update(key(entry.get(1)), &entry[2]),
                        Some("-") => {
                            self.leave(key(entry.get(1)));
                        }
                        _ => panic!("an entry of no known kind: {entry}"),
                    }
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, version: u64) {
        let before = self.version.expect("a snapshot before the first delta");
        assert_eq!(version, before + 1, "a gap in the versions of {}", self.group);
        self.version = Some(version);
        self.changes += 1;
    }

    fn join(&mut self, key: u64, payload: &Value) {
        let before = self.members.insert(key, payload.clone());
        assert_eq!(before, None, "a join of a present member: {payload}");
        let same = self.members.values().filter(|member| *member == payload).count();
        assert_eq!(same, 1, "a join of a user who is present: {payload}");
    }

    fn update(&mut self, key: u64, payload: &Value) {
        let before = self.members.insert(key, payload.clone());
        assert!(before.is_some(), "an update of an absent member: {payload}");
        assert_ne!(before.as_ref(), Some(payload), "an update that changes nothing");
    }

    fn leave(&mut self, key: u64) -> Value {
        match self.members.remove(&key) {
            Some(payload) => {
                if let Some(id) = payload["id"].as_str() {
                    *self.leaves.entry(id.to_owned()).or_default() += 1;
                }
                payload
            }
            None => panic!("a leave of an absent member: {key}"),
        }
    }
}

fn key(key: Option<&Value>) -> u64 {
    key.and_then(Value::as_u64).expect("a key")
}
