//! The rooms, and who may join them.

use std::collections::BTreeMap;

use http::StatusCode;
use parking_lot::RwLock;
use serde_json::{Value, json};
use umbral_presence::presence;

use crate::{
    Refusal, text_of,
    visitors::{Visitor, display, has_key},
};

/// The visitors who have the page open. A visitor without a name may watch.
#[presence(exact = "public:lobby", resolver = display)]
pub(crate) struct Lobby;

/// The visitors in one room.
#[presence(prefix = "room:", resolver = display)]
pub(crate) struct Room(pub(crate) String);

/// The rooms by name. A locked room has a key.
pub(crate) struct House(RwLock<BTreeMap<String, Option<String>>>);

impl House {
    pub(crate) fn new(staff_key: String) -> Self {
        let open = ["garden", "kitchen", "library"].map(|name| (name.to_owned(), None));
        let mut rooms = BTreeMap::from(open);
        rooms.insert("staff".to_owned(), Some(staff_key));
        Self(RwLock::new(rooms))
    }

    /// The rooms as the page lists them.
    pub(crate) fn list(&self) -> Vec<Value> {
        let rooms = self.0.read();
        rooms.iter().map(|(name, key)| json!({ "name": name, "locked": key.is_some() })).collect()
    }

    /// The policy. Everybody may watch the lobby. Only a visitor with a name may join a room, and
    /// only if it exists.
    pub(crate) fn may_join(&self, user: Option<&str>, group: &str) -> bool {
        match (user, group.parse()) {
            (Some(user), Ok(Room(room))) => self.may_enter(user, &room),
            _ => group.starts_with("public:"),
        }
    }

    pub(crate) fn may_enter(&self, user: &str, room: &str) -> bool {
        self.0.read().get(room).is_some_and(|key| key.is_none() || has_key(user, room))
    }

    /// Adds a room. Returns its name, which may be spelt differently from `name`.
    pub(crate) fn create(&self, name: &str) -> Result<String, Refusal> {
        const RULE: &str = "A room's name has 1 to 24 letters, digits and hyphens.";
        let name = text_of(name, 24, RULE)?.to_lowercase().replace(' ', "-");
        if !name.chars().all(|c| c.is_alphanumeric() || c == '-') {
            return Err((StatusCode::BAD_REQUEST, RULE));
        }
        let mut rooms = self.0.write();
        if rooms.contains_key(&name) {
            return Err((StatusCode::CONFLICT, "There is a room of that name."));
        }
        if rooms.len() >= 50 {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "There are too many rooms."));
        }
        rooms.insert(name.clone(), None);
        Ok(name)
    }

    /// Lets the visitor in from now on if the key is right.
    pub(crate) fn unlock(&self, visitor: &Visitor, room: &str, key: &str) -> Result<(), Refusal> {
        if self.0.read().get(room) != Some(&Some(key.trim().to_owned())) {
            return Err((StatusCode::FORBIDDEN, "That key does not fit."));
        }
        visitor.take_key(room);
        Ok(())
    }
}
