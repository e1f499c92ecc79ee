//! The subscribers of a group. They stand on pages, which a delivery shares: so the group is not
//! locked while it goes through them. A change of a shared page copies that page.
//!
//! All pages but the last one are full: telling a group costs what its subscribers of now cost,
//! however many it had before.
//!
//! ```text
//! id ─ places ─▶ page and index ─▶ a subscriber, with its id
//! ```

use std::sync::Arc;

use crate::connection::{FeedId, Reader};

/// The most subscribers of a page. Tests have many small pages.
const PAGE: usize = if cfg!(test) { 2 } else { 128 };

/// Somebody who is told of a group.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) reader: Arc<Reader>,
    pub(crate) feed: FeedId,
}

/// Names a subscriber. A later subscriber may get the id of one that has been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriberId(u32);

/// The subscribers of one group.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    pages: Arc<Vec<Arc<Page>>>,
    len: usize,
    /// By id: where the subscriber stands, or the id that was freed before this one.
    places: Vec<u32>,
    /// The id that was freed last.
    free: Option<SubscriberId>,
}

/// Subscribers, each with its id.
type Page = Vec<(Subscriber, SubscriberId)>;

/// The subscribers at one moment.
#[derive(Debug, Default)]
pub(crate) struct Audience(Arc<Vec<Arc<Page>>>);

impl Subscribers {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn add(&mut self, subscriber: Subscriber) -> SubscriberId {
        let place = number(self.len);
        let id = if let Some(id) = self.free {
            let before = std::mem::replace(&mut self.places[id.index()], place);
            self.free = (before != NOBODY).then_some(SubscriberId(before));
            id
        } else {
            self.places.push(place);
            SubscriberId(number(self.places.len() - 1))
        };
        let pages = Arc::make_mut(&mut self.pages);
        if self.len.is_multiple_of(PAGE) {
            // Small groups have a small page.
            let places = if pages.is_empty() { 0 } else { PAGE };
            pages.push(Arc::new(Page::with_capacity(places)));
        }
        Arc::make_mut(&mut pages[self.len / PAGE]).push((subscriber, id));
        self.len += 1;
        id
    }

    /// Removes a subscriber, if it is there. The last subscriber takes its place.
    pub(crate) fn remove(&mut self, id: SubscriberId) {
        let Some(place) = self.places.get(id.index()).copied() else {
            return;
        };
        let (page, at) = (place as usize / PAGE, place as usize % PAGE);
        let found = self.pages.get(page).and_then(|page| page.get(at));
        if found.is_none_or(|(_, other)| *other != id) {
            return;
        }
        let pages = Arc::make_mut(&mut self.pages);
        let last = pages.len() - 1;
        let rest = Arc::make_mut(&mut pages[last]);
        if let Some(moved) = rest.pop()
            && moved.1 != id
        {
            self.places[moved.1.index()] = place;
            Arc::make_mut(&mut pages[page])[at] = moved;
        }
        if pages[last].is_empty() {
            pages.pop();
        }
        self.places[id.index()] = self.free.map_or(NOBODY, |SubscriberId(before)| before);
        self.free = Some(id);
        self.len -= 1;
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// How many there is room for on the pages.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        self.pages.iter().map(|page| page.capacity()).sum()
    }

    /// Those who are there now.
    pub(crate) fn audience(&self) -> Audience {
        Audience(self.pages.clone())
    }
}

/// No id has been freed before.
const NOBODY: u32 = u32::MAX;

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("no process has so many connections")
}

impl SubscriberId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Audience {
    /// Those on the page with this number; `None` behind the last one.
    pub(crate) fn page(&self, number: usize) -> Option<impl Iterator<Item = &Subscriber>> {
        Some(self.0.get(number)?.iter().map(|(subscriber, _)| subscriber))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscriber> {
        self.0.iter().flat_map(|page| page.iter().map(|(subscriber, _)| subscriber))
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
        let reader = Arc::new(Reader { id, user: None, dialect, outbox });
        Subscriber { feed: reader.outbox.open(Arc::new(Nobody)), reader }
    }

    fn connections(audience: &Audience) -> Vec<ConnectionId> {
        let mut connections: Vec<_> = audience.iter().map(|one| one.reader.id).collect();
        connections.sort_unstable();
        connections
    }

    proptest! {
        #[test]
        fn the_pages_hold_the_subscribers_of_now_and_an_audience_those_of_then(
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
                        // Nobody has the place now.
                        if !model.is_empty() {
                            subscribers.remove(SubscriberId(id));
                        }
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
                prop_assert_eq!(subscribers.pages.len(), model.len().div_ceil(PAGE));
            }
            for (audience, then) in before {
                prop_assert_eq!(connections(&audience), then, "an audience stays as it was");
            }
        }
    }
}
