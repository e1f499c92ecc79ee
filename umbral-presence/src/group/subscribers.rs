//! The subscribers of a group. They stand on pages, which a delivery shares: so the group is not
//! locked while it goes through them. A change of a shared page copies that page.

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

/// Where a subscriber stands, for as long as it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriberId(u32);

/// The subscribers of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscribers {
    pages: Arc<Vec<Arc<Page>>>,
    /// Places on the pages that nobody has.
    free: Vec<SubscriberId>,
    len: usize,
}

type Page = Vec<Option<Subscriber>>;

/// The subscribers at one moment.
#[derive(Debug)]
pub(crate) struct Audience(Arc<Vec<Arc<Page>>>);

impl Subscribers {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn add(&mut self, subscriber: Subscriber) -> SubscriberId {
        self.len += 1;
        let pages = Arc::make_mut(&mut self.pages);
        if let Some(id) = self.free.pop() {
            let (page, at) = id.place();
            Arc::make_mut(&mut pages[page])[at] = Some(subscriber);
            return id;
        }
        if pages.last().is_none_or(|page| page.len() == PAGE) {
            // Small groups have a small page.
            let places = if pages.is_empty() { 0 } else { PAGE };
            pages.push(Arc::new(Page::with_capacity(places)));
        }
        let last = pages.len() - 1;
        let page = Arc::make_mut(&mut pages[last]);
        page.push(Some(subscriber));
        SubscriberId::of(last, page.len() - 1)
    }

    /// Takes a subscriber out, if it is there.
    pub(crate) fn remove(&mut self, id: SubscriberId) {
        let (page, at) = id.place();
        let pages = Arc::make_mut(&mut self.pages);
        let gone = pages.get_mut(page).and_then(|page| Arc::make_mut(page).get_mut(at)?.take());
        if gone.is_some() {
            self.len -= 1;
            self.free.push(id);
        }
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// Those who are there now.
    pub(crate) fn audience(&self) -> Audience {
        Audience(self.pages.clone())
    }
}

impl SubscriberId {
    fn of(page: usize, at: usize) -> Self {
        Self(u32::try_from(page * PAGE + at).unwrap_or(u32::MAX))
    }

    fn place(self) -> (usize, usize) {
        (self.0 as usize / PAGE, self.0 as usize % PAGE)
    }
}

impl Audience {
    /// Those on the page with this number; `None` behind the last one.
    pub(crate) fn page(&self, number: usize) -> Option<impl Iterator<Item = &Subscriber>> {
        Some(self.0.get(number)?.iter().flatten())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscriber> {
        self.0.iter().flat_map(|page| page.iter().flatten())
    }
}
