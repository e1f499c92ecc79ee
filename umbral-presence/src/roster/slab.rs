//! Values under ids that are never given out twice.
//!
//! The values stand on pages. A page that is empty is given back, so that a crowd that has gone
//! holds no memory. No page is ever moved, so that one more value never costs a copy of all.
//!
//! ```text
//! id: index, stamp ─▶ page (index / 64), slot (index % 64) ─▶ the value, if the stamp is the id's
//! ```

use std::num::NonZeroU32;

/// The slots of a page: one for each bit of [`Page::taken`].
const PAGE: u32 = u64::BITS;

/// Names a value of one slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    index: u32,
    /// Which of the values at this index it is.
    stamp: NonZeroU32,
}

impl Id {
    /// The page, and the slot on it.
    fn place(self) -> (usize, usize) {
        ((self.index / PAGE) as usize, (self.index % PAGE) as usize)
    }
}

#[derive(Debug)]
pub(super) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// The first page with a free slot. Each of these pages names the next one.
    free: Option<u32>,
    len: usize,
    /// Of the value that came last. It begins again after four billion.
    stamp: NonZeroU32,
}

#[derive(Debug)]
struct Page<T> {
    /// As many as have been needed at once since the page was empty.
    slots: Vec<Slot<T>>,
    /// A bit for each slot that has a value.
    taken: u64,
    /// The next page with a free slot.
    next_free: Option<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    stamp: NonZeroU32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: None, len: 0, stamp: NonZeroU32::MAX }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> Id {
        self.stamp = self.stamp.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let number = self.free.unwrap_or_else(|| self.add_page());
        let page = &mut self.pages[number as usize];
        // All slots below it are taken, so it is there or the next one.
        let at = page.taken.trailing_ones();
        let slot = Slot { stamp: self.stamp, value: Some(value) };
        match page.slots.get_mut(at as usize) {
            Some(free) => *free = slot,
            None => page.slots.push(slot),
        }
        page.taken |= 1 << at;
        if page.taken == u64::MAX {
            self.free = page.next_free.take();
        }
        self.len += 1;
        Id { index: number * PAGE + at, stamp: self.stamp }
    }

    fn add_page(&mut self) -> u32 {
        let number = u32::try_from(self.pages.len()).expect("no memory has so many pages");
        // Small groups have a small page.
        let slots = if self.pages.is_empty() { 0 } else { PAGE as usize };
        if self.pages.is_empty() {
            self.pages.reserve_exact(1);
        }
        self.pages.push(Page { slots: Vec::with_capacity(slots), taken: 0, next_free: None });
        self.free = Some(number);
        number
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let (number, at) = id.place();
        let page = self.pages.get_mut(number)?;
        let value = page.slots.get_mut(at).filter(|slot| slot.stamp == id.stamp)?.value.take()?;
        if page.taken == u64::MAX {
            page.next_free = self.free.replace(id.index / PAGE);
        }
        page.taken &= !(1 << at);
        if page.taken == 0 {
            page.slots = Vec::new();
        }
        self.len -= 1;
        if self.len == 0 {
            (self.pages, self.free) = (Vec::new(), None);
        }
        Some(value)
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let (page, at) = id.place();
        let slot = self.pages.get(page)?.slots.get(at)?;
        slot.value.as_ref().filter(|_| slot.stamp == id.stamp)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (page, at) = id.place();
        let slot = self.pages.get_mut(page)?.slots.get_mut(at)?;
        slot.value.as_mut().filter(|_| slot.stamp == id.stamp)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.slots.iter().filter_map(|slot| slot.value.as_ref()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values there is room for.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(super) fn capacity(&self) -> usize {
        self.pages.iter().map(|page| page.slots.capacity()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_id_names_one_value_for_as_long_as_it_is_there(
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..2000),
            grows in 1..4_usize,
        ) {
            let (mut slab, mut model) = (Slab::default(), HashMap::new());
            let mut gone = Vec::new();
            for (n, (coin, which)) in steps.into_iter().enumerate() {
                // At first it mostly grows, and then it mostly shrinks.
                let adds = coin || (n < 1000 && !n.is_multiple_of(grows + 1));
                if adds && !(n > 1500 && which.index(2) == 0) {
                    let id = slab.insert(n);
                    prop_assert_eq!(model.insert((id.index, id.stamp), n), None);
                } else if !model.is_empty() {
                    let (&(index, stamp), &value) = model.iter().nth(which.index(model.len())).unwrap();
                    let id = Id { index, stamp };
                    prop_assert_eq!(slab.get_mut(id).map(|value| *value), Some(value));
                    prop_assert_eq!(slab.remove(id), Some(value));
                    model.remove(&(index, stamp));
                    gone.push(id);
                }
                prop_assert_eq!(slab.is_empty(), model.is_empty());
            }
            for id in gone {
                prop_assert!(slab.get(id).is_none() && slab.remove(id).is_none());
            }
            for (&(index, stamp), value) in &model {
                prop_assert_eq!(slab.get(Id { index, stamp }), Some(value));
            }
            prop_assert_eq!(slab.values().count(), model.len());
        }
    }

    #[cfg(not(feature = "__shuttle"))]
    #[test]
    fn a_crowd_that_has_gone_holds_no_memory() {
        let mut slab = Slab::default();
        let ids: Vec<_> = (0..100_000).map(|n| slab.insert(n)).collect();
        assert!(slab.capacity() < 100_100);
        for (n, id) in ids.iter().enumerate() {
            if n % 10_000 > 0 {
                assert_eq!(slab.remove(*id), Some(n));
            }
        }
        assert_eq!(slab.values().count(), 10);
        assert!(slab.capacity() <= 10 * 64, "{}", slab.capacity());
    }
}
