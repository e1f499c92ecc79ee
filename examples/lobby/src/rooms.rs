//! The rooms, and who may join them.

use http::StatusCode;
use serde_json::{Value, json};
use umbral_presence::presence;

use crate::{
    Refusal,
    store::{Store, StoreError},
    text_of,
    visitors::{Visitor, display},
};

/// The visitors who have the page open. A visitor without a name may watch.
#[presence(exact = "public:lobby", batch_resolver = display)]
pub(crate) struct Lobby;

/// The visitors in one room.
#[presence(prefix = "room:", batch_resolver = display)]
pub(crate) struct Room(pub(crate) String);

/// The open rooms that are always there.
const OPEN: [&str; 3] = ["garden", "kitchen", "library"];

/// The room that has a key.
const STAFF: &str = "staff";

/// The rooms that are always there, and those that visitors have made.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) staff_key: String,
}

impl House {
    /// The rooms as the page lists them.
    pub(crate) async fn list(&self) -> Result<Vec<Value>, StoreError> {
        let mut rooms = self.store.rooms().await?;
        rooms.extend(OPEN.into_iter().chain([STAFF]).map(str::to_owned));
        Ok(rooms.iter().map(|name| json!({ "name": name, "locked": name == STAFF })).collect())
    }

    /// The policy. Everybody may watch the lobby. Only a visitor with a name may join a room, and
    /// only if it exists.
    pub(crate) async fn may_join(
        &self,
        user: Option<&str>,
        group: &str,
    ) -> Result<bool, StoreError> {
        match (user, group.parse()) {
            (Some(user), Ok(Room(room))) => self.may_enter(user, &room).await,
            _ => Ok(group.starts_with("public:")),
        }
    }

    pub(crate) async fn may_enter(&self, user: &str, room: &str) -> Result<bool, StoreError> {
        match room {
            STAFF => self.store.has_key(user, room).await,
            room => Ok(OPEN.contains(&room) || self.store.rooms().await?.contains(room)),
        }
    }

    /// Adds a room. Returns its name, which may be spelt differently from `name`.
    pub(crate) async fn create(&self, name: &str) -> Result<String, Refusal> {
        const RULE: &str = "A room's name has 1 to 24 letters, digits and hyphens.";
        let name = text_of(name, 24, RULE)?.to_lowercase().replace(' ', "-");
        if !name.chars().all(|c| c.is_alphanumeric() || c == '-') {
            return Err((StatusCode::BAD_REQUEST, RULE));
        }
        if name == STAFF || OPEN.contains(&name.as_str()) {
            return Err(StoreError::RoomExists.into());
        }
        self.store.add_room(&name).await?;
        Ok(name)
    }

    /// Lets the visitor in from now on if the key is right.
    pub(crate) async fn unlock(
        &self,
        visitor: &Visitor,
        room: &str,
        key: &str,
    ) -> Result<(), Refusal> {
        if room != STAFF || key.trim() != self.staff_key {
            return Err((StatusCode::FORBIDDEN, "That key does not fit."));
        }
        Ok(self.store.add_key(&visitor.id, room).await?)
    }
}
