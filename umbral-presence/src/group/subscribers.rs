//! The subscribers of a group. They stand in rows, which a delivery shares: so the group is not
//! locked while it goes through them. A change of a shared row copies that row.
//!
//! All rows but the last one are full: telling a group costs what its subscribers of now cost,
//! however many it had before.
//!
//! ```text
//! id ─ places ─▶ row and index ─▶ a subscriber, with its id
//! ```

use std::sync::Arc;

use crate::{
    connection::{FeedId, Reader},
    roster::{Id, Slab},
};

/// The most subscribers of a row. Tests have many short rows.
const ROW: usize = if cfg!(test) { 2 } else { 128 };

/// Somebody who is told of a group.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) reader: Arc<Reader>,
    pub(crate) feed: FeedId,
}

/// Names a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriberId(Id);

/// The subscribers of one group.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    rows: Arc<Vec<Arc<Row>>>,
    len: usize,
    /// By id: where the subscriber stands.
    places: Slab<u32>,
}

/// Subscribers, each with its id.
type Row = Vec<(Subscriber, SubscriberId)>;

/// The subscribers at one moment.
#[derive(Debug, Default)]
pub(crate) struct Audience(Arc<Vec<Arc<Row>>>);

impl Subscribers {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn add(&mut self, subscriber: Subscriber) -> SubscriberId {
        let place = u32::try_from(self.len).expect("no process has so many connections");
        let id = SubscriberId(self.places.insert(place));
        let rows = Arc::make_mut(&mut self.rows);
        if self.len.is_multiple_of(ROW) {
            // Small groups have a short row.
            let room = if rows.is_empty() { 0 } else { ROW };
            rows.push(Arc::new(Row::with_capacity(room)));
        }
        Arc::make_mut(&mut rows[self.len / ROW]).push((subscriber, id));
        self.len += 1;
        id
    }

    /// Removes a subscriber, if it is there. The last subscriber takes its place.
    pub(crate) fn remove(&mut self, id: SubscriberId) {
        let Some(place) = self.places.remove(id.0) else {
            return;
        };
        let (row, at) = (place as usize / ROW, place as usize % ROW);
        let rows = Arc::make_mut(&mut self.rows);
        let last = rows.len() - 1;
        let rest = Arc::make_mut(&mut rows[last]);
        if let Some(moved) = rest.pop()
            && let Some(place_of_moved) = self.places.get_mut(moved.1.0)
        {
            *place_of_moved = place;
            Arc::make_mut(&mut rows[row])[at] = moved;
        }
        if rows[last].is_empty() {
            rows.pop();
            if rows.len() < rows.capacity() / 4 {
                rows.shrink_to(2 * rows.len());
            }
        }
        self.len -= 1;
        if self.len == 0 {
            self.rows = Arc::default();
        }
    }

    /// How many subscribers, rows and places there is room for.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        let in_rows: usize = self.rows.iter().map(|row| row.capacity()).sum();
        in_rows + self.rows.capacity() + self.places.capacity()
    }

    /// Those who are there now.
    pub(crate) fn audience(&self) -> Audience {
        Audience(self.rows.clone())
    }
}

impl Audience {
    /// Those in the row with this number; `None` behind the last one.
    pub(crate) fn row(&self, number: usize) -> Option<impl Iterator<Item = &Subscriber>> {
        Some(self.0.get(number)?.iter().map(|(subscriber, _)| subscriber))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscriber> {
        self.0.iter().flat_map(|row| row.iter().map(|(subscriber, _)| subscriber))
    }
}

#[cfg(all(test, not(feature = "__shuttle")))]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        connection::{DueSnapshot, Outbox, Source},
        name::ConnectionId,
        wire::{Dialect, Snapshot, Transport},
    };

    /// A group whose members nobody asks for.
    struct Nobody;

    impl Source for Nobody {
        fn take_due(&self, _: &Outbox, _: &DueSnapshot) -> Option<Arc<Snapshot>> {
            None
        }
    }

    fn subscriber(id: u64) -> Subscriber {
        let dialect = Dialect { transport: Transport::Sse, v1: true };
        let outbox = Outbox::new(0, Arc::default());
        let id = ConnectionId::of(id);
        let span = tracing::Span::none();
        let reader = Arc::new(Reader::new(id, None, dialect, outbox, span));
        Subscriber { feed: reader.outbox.open(Arc::new(Nobody)), reader }
    }

    fn connections(audience: &Audience) -> Vec<ConnectionId> {
        let mut connections: Vec<_> = audience.iter().map(|one| one.reader.id).collect();
        connections.sort_unstable();
        connections
    }

    proptest! {
        #[test]
        fn the_rows_hold_the_subscribers_of_now_and_an_audience_those_of_then(
            steps in prop::collection::vec((0..5_u8, any::<prop::sample::Index>()), 1..200),
        ) {
            let (mut subscribers, mut model) = (Subscribers::default(), BTreeMap::new());
            let mut before: Vec<(Audience, Vec<ConnectionId>)> = Vec::new();
            for (n, (step, which)) in steps.into_iter().enumerate() {
                match step {
                    0..=1 => {
                        let subscriber = subscriber(n as u64);
                        let connection = subscriber.reader.id;
                        let SubscriberId(id) = subscribers.add(subscriber);
                        prop_assert_eq!(model.insert(id, connection), None);
                    }
                    2..=3 if !model.is_empty() => {
                        let id = *model.keys().nth(which.index(model.len())).unwrap();
                        model.remove(&id);
                        subscribers.remove(SubscriberId(id));
                        // It is not there now.
                        subscribers.remove(SubscriberId(id));
                    }
                    _ => {
                        let audience = subscribers.audience();
                        let connections = connections(&audience);
                        before.push((audience, connections));
                    }
                }
                let mut expected: Vec<_> = model.values().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(connections(&subscribers.audience()), expected);
                prop_assert_eq!(subscribers.len(), model.len());
                prop_assert_eq!(subscribers.rows.len(), model.len().div_ceil(ROW));
            }
            for (audience, then) in before {
                prop_assert_eq!(connections(&audience), then, "an audience stays as it was");
            }
        }
    }
}
