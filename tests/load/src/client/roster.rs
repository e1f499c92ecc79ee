//! A roster as a client folds it. Of umbral-presence every rule of the wire is held against
//! what comes; the peer is taken as its own client takes it.

use super::wire::{Entry, Frame, Member};

/// What a roster has been told of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Join(u32),
    Leave(u32),
}

/// Who is in the one room of a connection.
#[derive(Debug)]
pub(crate) struct Roster {
    room: u32,
    is_versioned: bool,
    /// Sorted, each beside its user: small, and a newcomer has the highest key.
    keys: Vec<u64>,
    users: Vec<u32>,
    version: Option<u64>,
}

impl Roster {
    pub(crate) fn new(room: u32, is_versioned: bool) -> Self {
        Self { room, is_versioned, keys: Vec::new(), users: Vec::new(), version: None }
    }

    /// How many are in it; `None` before the snapshot.
    pub(crate) fn len(&self) -> Option<usize> {
        (self.version.is_some() || !self.is_versioned).then_some(self.users.len())
    }

    /// The users, sorted.
    pub(crate) fn users(&self) -> Vec<u32> {
        let mut users = self.users.clone();
        users.sort_unstable();
        users
    }

    /// Takes a frame in, and gives each user who joins or leaves to `each`. A contradiction is an
    /// error.
    pub(crate) fn take(
        &mut self,
        frame: &Frame<'_>,
        mut each: impl FnMut(Change),
    ) -> Result<(), String> {
        let Some(event) = frame.event.strip_prefix("presence:") else {
            return Ok(());
        };
        // The peer tells its snapshots to the user, in a channel that does not name the room.
        let room = frame.channel.rsplit(':').next().and_then(|room| room.parse().ok());
        if self.is_versioned && room != Some(self.room) {
            return Err(format!("news of {} in room {}", frame.channel, self.room));
        }
        match event {
            "sync" => return self.replace(frame),
            "diff" => {
                let entries: Vec<Entry> = read(frame.data.get())?;
                self.step(frame.v, entries.len())?;
                for entry in entries {
                    match entry {
                        Entry::Join(key, Member(user)) => {
                            self.insert(key, user)?;
                            each(Change::Join(user));
                        }
                        Entry::Update(key, Member(user)) => self.keeps(key, user)?,
                        Entry::Leave(key) => {
                            self.remove(key)?.map(Change::Leave).into_iter().for_each(&mut each);
                        }
                    }
                }
                return Ok(());
            }
            _ => {}
        }
        let Member(user) = read(frame.data.get())?;
        let key = match frame.k {
            Some(key) => read(key.get())?,
            None => u64::from(user),
        };
        self.step(frame.v, 1)?;
        match event {
            "join" => {
                self.insert(key, user)?;
                each(Change::Join(user));
                Ok(())
            }
            "leave" => {
                self.remove(key)?.map(Change::Leave).into_iter().for_each(each);
                Ok(())
            }
            "update" => self.keeps(key, user),
            other => Err(format!("an event of the kind {other}")),
        }
    }

    fn replace(&mut self, frame: &Frame<'_>) -> Result<(), String> {
        let members: Vec<Member> = read(frame.data.get())?;
        let users: Vec<u32> = members.into_iter().map(|Member(user)| user).collect();
        let keys: Vec<u64> = match frame.k {
            Some(keys) => read(keys.get())?,
            None => users.iter().copied().map(u64::from).collect(),
        };
        if keys.len() != users.len() {
            return Err(format!("{} keys for {} members", keys.len(), users.len()));
        }
        if self.is_versioned && (frame.v.is_none() || frame.v < self.version) {
            return Err(format!("a snapshot at {:?} after {:?}", frame.v, self.version));
        }
        let mut members: Vec<_> = keys.into_iter().zip(users).collect();
        members.sort_unstable();
        (self.keys, self.users) = members.into_iter().unzip();
        self.version = frame.v;
        Ok(())
    }

    /// So many changes end with this version.
    fn step(&mut self, version: Option<u64>, changes: usize) -> Result<(), String> {
        if !self.is_versioned {
            return Ok(());
        }
        let before = self.version.ok_or("a change before the snapshot")?;
        if version != Some(before + changes as u64) {
            return Err(format!("{changes} changes from {before} to {version:?}"));
        }
        self.version = version;
        Ok(())
    }

    fn insert(&mut self, key: u64, user: u32) -> Result<(), String> {
        match self.keys.binary_search(&key) {
            Ok(_) if self.is_versioned => Err(format!("{user} joins twice")),
            Ok(_) => Ok(()),
            Err(at) => {
                self.keys.insert(at, key);
                self.users.insert(at, user);
                Ok(())
            }
        }
    }

    /// Gives who was under this key.
    fn remove(&mut self, key: u64) -> Result<Option<u32>, String> {
        match self.keys.binary_search(&key) {
            Ok(at) => {
                self.keys.remove(at);
                Ok(Some(self.users.remove(at)))
            }
            Err(_) if self.is_versioned => Err(format!("{key} leaves and is not there")),
            Err(_) => Ok(None),
        }
    }

    fn keeps(&self, key: u64, user: u32) -> Result<(), String> {
        let at = self.keys.binary_search(&key).map_err(|_| format!("{key} is not there"))?;
        if self.users[at] == user { Ok(()) } else { Err(format!("{key} is another user")) }
    }
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}: {}", &text[..text.len().min(80)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(roster: &mut Roster, text: &str) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        roster.take(&read(text)?, |change| changes.push(change))?;
        Ok(changes)
    }

    #[test]
    fn a_roster_is_folded_from_either_transport_in_either_dialect() {
        let mut roster = Roster::new(1, true);
        let sync =
            r#"{"c":"room:1","e":"presence:sync","d":[{"id":"7"},{"id":"8"}],"v":4,"k":[1,2]}"#;
        take(&mut roster, sync).unwrap();
        let diff = r#"{"channel":"room:1","event":"presence:diff","data":[["+",5,{"id":"9"}],["-",1]],"v":6}"#;
        assert_eq!(take(&mut roster, diff).unwrap(), [Change::Join(9), Change::Leave(7)]);
        let leave = r#"{"c":"room:1","e":"presence:leave","d":{"id":"8"},"v":7,"k":2}"#;
        assert_eq!(take(&mut roster, leave).unwrap(), [Change::Leave(8)]);
        assert_eq!(roster.users(), [9]);
    }

    #[test]
    fn what_contradicts_is_an_error() {
        let sync = r#"{"c":"room:1","e":"presence:sync","d":[{"id":"7"}],"v":4,"k":[1]}"#;
        for (text, what) in [
            (r#"{"c":"room:1","e":"presence:diff","d":[["+",1,{"id":"7"}]],"v":5}"#, "twice"),
            (r#"{"c":"room:1","e":"presence:diff","d":[["-",9]],"v":5}"#, "not there"),
            (r#"{"c":"room:1","e":"presence:diff","d":[["+",2,{"id":"8"}]],"v":6}"#, "from 4"),
            (r#"{"c":"room:2","e":"presence:diff","d":[["+",2,{"id":"8"}]],"v":5}"#, "room 1"),
            (r#"{"c":"room:1","e":"presence:sync","d":[],"v":3,"k":[]}"#, "snapshot"),
        ] {
            let mut roster = Roster::new(1, true);
            take(&mut roster, sync).unwrap();
            let error = take(&mut roster, text).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        let early = r#"{"c":"room:1","e":"presence:diff","d":[["+",1,{"id":"7"}]],"v":5}"#;
        let error = take(&mut Roster::new(1, true), early).unwrap_err();
        assert!(error.contains("before the snapshot"), "{error}");
    }

    #[test]
    fn the_peer_may_say_things_in_any_order() {
        let mut roster = Roster::new(1, false);
        take(&mut roster, r#"{"c":"room:1","e":"presence:join","d":{"id":"8"}}"#).unwrap();
        take(&mut roster, r#"{"c":"@user:7","e":"presence:sync","d":[{"id":"7"}]}"#).unwrap();
        take(&mut roster, r#"{"c":"room:1","e":"presence:leave","d":{"id":"9"}}"#).unwrap();
        assert_eq!(roster.users(), [7]);
    }
}
