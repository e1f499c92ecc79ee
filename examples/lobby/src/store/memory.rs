//! The store of one process. Its methods are those of the other store, and so have its errors.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use parking_lot::RwLock;

use super::{FORGOTTEN_AFTER, MOST_ROOMS, MOST_VISITORS, StoreError};

#[derive(Clone, Default)]
pub(crate) struct Memory {
    visitors: Arc<RwLock<BTreeMap<String, Known>>>,
    rooms: Arc<RwLock<BTreeSet<String>>>,
}

/// What is remembered of a visitor.
struct Known {
    name: String,
    /// The locked rooms to which the visitor has shown the key.
    keys: BTreeSet<String>,
    seen: Instant,
}

impl Memory {
    pub(super) fn add_visitor(&self, id: &str, name: &str) -> Result<(), StoreError> {
        let mut visitors = self.visitors.write();
        visitors.retain(|_, known| known.seen.elapsed() < FORGOTTEN_AFTER);
        if visitors.len() >= MOST_VISITORS {
            return Err(StoreError::TooManyVisitors);
        }
        let (name, keys, seen) = (name.to_owned(), BTreeSet::new(), Instant::now());
        visitors.insert(id.to_owned(), Known { name, keys, seen });
        Ok(())
    }

    pub(super) fn see(&self, ids: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        let mut visitors = self.visitors.write();
        let see = |known: &mut Known| {
            known.seen = Instant::now();
            known.name.clone()
        };
        Ok(ids.iter().map(|id| visitors.get_mut(*id).map(see)).collect())
    }

    pub(super) fn forget(&self, id: &str) -> Result<(), StoreError> {
        self.visitors.write().remove(id);
        Ok(())
    }

    pub(super) fn add_key(&self, id: &str, room: &str) -> Result<(), StoreError> {
        if let Some(known) = self.visitors.write().get_mut(id) {
            known.keys.insert(room.to_owned());
        }
        Ok(())
    }

    pub(super) fn has_key(&self, id: &str, room: &str) -> Result<bool, StoreError> {
        let visitors = self.visitors.read();
        Ok(visitors.get(id).is_some_and(|known| known.keys.contains(room)))
    }

    pub(super) fn add_room(&self, room: &str) -> Result<(), StoreError> {
        let mut rooms = self.rooms.write();
        if rooms.contains(room) {
            return Err(StoreError::RoomExists);
        }
        if rooms.len() >= MOST_ROOMS {
            return Err(StoreError::TooManyRooms);
        }
        rooms.insert(room.to_owned());
        Ok(())
    }

    pub(super) fn rooms(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.rooms.read().clone())
    }
}
