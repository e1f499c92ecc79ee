//! Values under ids that are not given out twice within four billion insertions.
//!
//! The values stand in blocks. A block that is empty gives its slots back, and is given back itself
//! where all blocks behind it are empty too, so that a crowd that has gone holds no memory. The
//! slots of a block never move, so that one more value never costs a copy of all.
//!
//! ```text
//! id: index, stamp ─▶ block (index / 64), slot (index % 64) ─▶ the value, if the stamp is the id's
//! ```

use std::num::NonZeroU32;

/// The slots of a block: one for each bit of [`Block::taken`].
const SLOTS: u32 = u64::BITS;

/// Names a value of one slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    index: u32,
    /// Which of the values at this index it is.
    stamp: NonZeroU32,
}

impl Id {
    /// The block, and the slot in it.
    fn place(self) -> (usize, usize) {
        ((self.index / SLOTS) as usize, (self.index % SLOTS) as usize)
    }
}

#[derive(Debug)]
pub(crate) struct Slab<T> {
    blocks: Vec<Block<T>>,
    /// The first block with a free slot. Each of these blocks names its neighbours among them.
    free: Option<u32>,
    len: usize,
    /// Of the value that came last. It begins again after four billion.
    stamp: NonZeroU32,
}

#[derive(Debug)]
struct Block<T> {
    /// As many as have been needed at once since the block was empty.
    slots: Vec<Slot<T>>,
    /// A bit for each slot that has a value.
    taken: u64,
    /// The blocks before and behind it among those with a free slot.
    free: Neighbours,
}

/// The numbers of two blocks.
#[derive(Clone, Copy, Debug, Default)]
struct Neighbours {
    before: Option<u32>,
    behind: Option<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    stamp: NonZeroU32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: None, len: 0, stamp: NonZeroU32::MAX }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> Id {
        self.stamp = self.stamp.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let number = self.free.unwrap_or_else(|| self.add_block());
        let block = &mut self.blocks[number as usize];
        // All slots below it are taken, so it is there or the next one.
        let at = block.taken.trailing_ones();
        let slot = Slot { stamp: self.stamp, value: Some(value) };
        match block.slots.get_mut(at as usize) {
            Some(free) => *free = slot,
            None => block.slots.push(slot),
        }
        block.taken |= 1 << at;
        if block.taken == u64::MAX {
            self.unlink(number);
        }
        self.len += 1;
        Id { index: number * SLOTS + at, stamp: self.stamp }
    }

    fn add_block(&mut self) -> u32 {
        let number = number(self.blocks.len());
        // Small groups have a small block.
        let slots = if self.blocks.is_empty() { 0 } else { SLOTS as usize };
        if self.blocks.is_empty() {
            self.blocks.reserve_exact(1);
        }
        self.blocks.push(Block {
            slots: Vec::with_capacity(slots),
            taken: 0,
            free: Neighbours::default(),
        });
        self.link(number);
        number
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let (number, at) = id.place();
        let block = self.blocks.get_mut(number)?;
        let value = block.slots.get_mut(at).filter(|slot| slot.stamp == id.stamp)?.value.take()?;
        let was_full = block.taken == u64::MAX;
        block.taken &= !(1 << at);
        if block.taken == 0 {
            block.slots = Vec::new();
        }
        if was_full {
            self.link(id.index / SLOTS);
        }
        self.len -= 1;
        self.give_back();
        Some(value)
    }

    /// Puts a block before the others with a free slot.
    fn link(&mut self, number: u32) {
        let behind = self.free.replace(number);
        self.blocks[number as usize].free = Neighbours { before: None, behind };
        if let Some(behind) = behind {
            self.blocks[behind as usize].free.before = Some(number);
        }
    }

    /// Takes a block out of those with a free slot.
    fn unlink(&mut self, number: u32) {
        let Neighbours { before, behind } = std::mem::take(&mut self.blocks[number as usize].free);
        match before {
            Some(before) => self.blocks[before as usize].free.behind = behind,
            None => self.free = behind,
        }
        if let Some(behind) = behind {
            self.blocks[behind as usize].free.before = before;
        }
    }

    /// Gives back the empty blocks behind all others.
    fn give_back(&mut self) {
        while self.blocks.last().is_some_and(|block| block.taken == 0) {
            // An empty block has a free slot.
            self.unlink(number(self.blocks.len() - 1));
            self.blocks.pop();
        }
        if self.blocks.len() < self.blocks.capacity() / 4 {
            self.blocks.shrink_to(2 * self.blocks.len());
        }
        if self.blocks.is_empty() {
            self.blocks = Vec::new();
        }
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let (block, at) = id.place();
        let slot = self.blocks.get(block)?.slots.get(at)?;
        slot.value.as_ref().filter(|_| slot.stamp == id.stamp)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (block, at) = id.place();
        let slot = self.blocks.get_mut(block)?.slots.get_mut(at)?;
        slot.value.as_mut().filter(|_| slot.stamp == id.stamp)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.blocks
            .iter()
            .flat_map(|block| block.slots.iter().filter_map(|slot| slot.value.as_ref()))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values and blocks there is room for.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        let slots: usize = self.blocks.iter().map(|block| block.slots.capacity()).sum();
        slots + self.blocks.capacity()
    }
}

/// The number of the block at this place.
fn number(at: usize) -> u32 {
    u32::try_from(at).expect("no memory has so many blocks")
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
        assert!(slab.capacity() < 102_400, "{}", slab.capacity());
        for (n, id) in ids.iter().enumerate() {
            if n % 10_000 > 0 {
                assert_eq!(slab.remove(*id), Some(n));
            }
        }
        assert_eq!(slab.values().count(), 10);
        // Of the other blocks only the headers are left, and at last not even they.
        assert!(slab.capacity() <= 10 * 64 + 2048, "{}", slab.capacity());
        for id in ids.iter().step_by(10_000).skip(1) {
            assert!(slab.remove(*id).is_some());
        }
        assert!(slab.capacity() <= 64 + 8, "{}", slab.capacity());
    }
}
