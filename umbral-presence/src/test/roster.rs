//! Folds frames, as the browser's client does.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::seen::Seen;
use crate::name::GroupName;

/// A frame of an event stream with `v=1`.
#[derive(Deserialize)]
pub(super) struct Frame {
    c: String,
    e: String,
    d: Value,
    #[serde(default)]
    k: Value,
}

impl Frame {
    /// The name of the stream, which the first frame has.
    pub(super) fn conn(&self) -> Option<String> {
        (self.e == "@hello").then(|| self.d["conn"].as_str().map(str::to_owned))?
    }
}

/// A change within `presence:diff`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Change {
    Shown(char, u64, Value),
    Gone(IgnoredAny, u64),
}

/// Which groups the tab is in, who is there, and what has been shown.
#[derive(Debug, Default)]
pub(super) struct Rosters {
    /// What the server is told.
    wanted: BTreeSet<GroupName>,
    /// Those that the stream has denied. A snapshot that follows says that the tab is in again.
    denied: BTreeSet<GroupName>,
    groups: HashMap<GroupName, IndexMap<u64, Value>>,
    /// In order, until somebody looks.
    pub(super) seen: Vec<Seen>,
}

impl Rosters {
    pub(super) fn members(&self, group: &GroupName) -> Vec<Value> {
        self.groups
            .get(group)
            .map(|members| members.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(super) fn wanted(&self) -> &BTreeSet<GroupName> {
        &self.wanted
    }

    /// Says whether the tab was not in the group.
    pub(super) fn enter(&mut self, group: GroupName) -> bool {
        self.denied.remove(&group);
        self.wanted.insert(group)
    }

    pub(super) fn leave(&mut self, group: &GroupName) {
        self.wanted.remove(group);
        self.denied.remove(group);
        self.groups.remove(group);
    }

    /// The stream has ended. What it has shown is true no longer.
    pub(super) fn end(&mut self) {
        self.wanted.clear();
        self.denied.clear();
        self.groups.clear();
    }

    fn deny(&mut self, data: &Value) {
        let groups: Vec<String> =
            serde_json::from_value(data["groups"].clone()).unwrap_or_default();
        for group in groups.into_iter().filter_map(|group| GroupName::new(group).ok()) {
            self.leave(&group);
            self.denied.insert(group);
        }
    }

    /// Takes a frame. One that cannot be read is none of this server's.
    pub(super) fn take(&mut self, frame: Frame) -> Option<()> {
        let Frame { c: channel, e: event, d: data, k: key } = frame;
        let Some(kind) = event.strip_prefix("presence:") else {
            if event == "@denied" {
                self.deny(&data);
            }
            if event != "@hello" {
                self.seen.push(Seen::Event { channel, event, data });
            }
            return Some(());
        };
        let group = GroupName::new(channel).ok()?;
        if kind == "sync" && self.denied.remove(&group) {
            self.wanted.insert(group.clone());
        }
        // What was on its way when the group was left.
        if !self.wanted.contains(&group) {
            return Some(());
        }
        match kind {
            "sync" => {
                let keys: Vec<u64> = serde_json::from_value(key).ok()?;
                let members: Vec<Value> = serde_json::from_value(data).ok()?;
                self.seen.push(Seen::Sync(group.clone(), members.clone()));
                self.groups.insert(group, keys.into_iter().zip(members).collect());
            }
            "diff" => {
                let changes: Vec<Change> = serde_json::from_value(data).ok()?;
                for change in changes {
                    match change {
                        Change::Shown('+', key, member) => self.join(&group, key, member),
                        Change::Shown(_, key, member) => self.update(&group, key, member),
                        Change::Gone(_, key) => self.gone(&group, key),
                    }
                }
            }
            "join" => self.join(&group, key.as_u64()?, data),
            "update" => self.update(&group, key.as_u64()?, data),
            "leave" => self.gone(&group, key.as_u64()?),
            _ => {}
        }
        Some(())
    }

    fn join(&mut self, group: &GroupName, key: u64, member: Value) {
        self.groups.entry(group.clone()).or_default().insert(key, member.clone());
        self.seen.push(Seen::Join(group.clone(), member));
    }

    fn update(&mut self, group: &GroupName, key: u64, member: Value) {
        self.groups.entry(group.clone()).or_default().insert(key, member.clone());
        self.seen.push(Seen::Update(group.clone(), member));
    }

    fn gone(&mut self, group: &GroupName, key: u64) {
        let members = self.groups.entry(group.clone()).or_default();
        if let Some(member) = members.shift_remove(&key) {
            self.seen.push(Seen::Leave(group.clone(), member));
        }
    }
}
