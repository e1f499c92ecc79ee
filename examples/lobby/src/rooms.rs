//! The rooms, and who may go in.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use parking_lot::RwLock;
use serde_json::{Value, json};
use umbral_presence::presence;

use crate::{
    Refusal, text_of,
    visitors::{Visitor, display},
};

/// Everybody who has the page open. Who has not chosen a name may watch it.
#[presence(exact = "public:lobby", resolver = display)]
pub(crate) struct Lobby;

/// The people in one room.
#[presence(prefix = "room:", resolver = display)]
pub(crate) struct Room(pub(crate) String);

/// The doors of all rooms, by name.
pub(crate) struct House(RwLock<BTreeMap<String, Door>>);

enum Door {
    Open,
    /// Opens for the guests, who have shown the key.
    Locked {
        key: String,
        guests: BTreeSet<String>,
    },
}

impl House {
    pub(crate) fn new(staff_key: String) -> Self {
        let open = ["garden", "kitchen", "library"].map(|name| (name.to_owned(), Door::Open));
        let mut doors = BTreeMap::from(open);
        doors.insert("staff".to_owned(), Door::Locked { key: staff_key, guests: BTreeSet::new() });
        Self(RwLock::new(doors))
    }

    /// The rooms as the page lists them.
    pub(crate) fn list(&self) -> Vec<Value> {
        let locked = |door: &Door| matches!(door, Door::Locked { .. });
        let doors = self.0.read();
        doors.iter().map(|(name, door)| json!({ "name": name, "locked": locked(door) })).collect()
    }

    /// The policy: everybody may watch the lobby; a room is for visitors with a name, and
    /// has to exist.
    pub(crate) fn may_join(&self, user: Option<&str>, group: &str) -> bool {
        match (user, group.parse()) {
            (Some(user), Ok(Room(room))) => self.may_enter(user, &room),
            _ => group.starts_with("public:"),
        }
    }

    pub(crate) fn may_enter(&self, user: &str, room: &str) -> bool {
        match self.0.read().get(room) {
            Some(Door::Open) => true,
            Some(Door::Locked { guests, .. }) => guests.contains(user),
            None => false,
        }
    }

    /// Adds a room, and gives its name as it is from now on.
    pub(crate) fn create(&self, name: &str) -> Result<String, Refusal> {
        const RULE: &str = "A room's name has 1 to 24 letters, digits and hyphens.";
        let name = text_of(name, 24, RULE)?.to_lowercase().replace(' ', "-");
        if !name.chars().all(|c| c.is_alphanumeric() || c == '-') {
            return Err((StatusCode::BAD_REQUEST, RULE));
        }
        let mut doors = self.0.write();
        if doors.contains_key(&name) {
            return Err((StatusCode::CONFLICT, "There is a room of that name."));
        }
        if doors.len() >= 50 {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "There are too many rooms."));
        }
        doors.insert(name.clone(), Door::Open);
        Ok(name)
    }

    /// Lets the visitor in from now on, if the key is the right one.
    pub(crate) fn unlock(&self, visitor: &Visitor, room: &str, key: &str) -> Result<(), Refusal> {
        match self.0.write().get_mut(room) {
            Some(Door::Locked { key: right, guests }) if key.trim() == right => {
                guests.insert(visitor.id.clone());
                Ok(())
            }
            Some(Door::Open) => Ok(()),
            _ => Err((StatusCode::FORBIDDEN, "That key does not fit.")),
        }
    }
}
