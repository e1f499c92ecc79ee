//! Hashing of what is looked up by text: fast, and keyed at random, since names come from
//! clients, who could otherwise choose names that collide.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
};

use foldhash::{
    SharedSeed,
    fast::{FoldHasher, SeedableRandomState},
};

/// A map whose keys are hashed with [`Keyed`].
pub(crate) type KeyedMap<K, V> = HashMap<K, V, Keyed>;

/// A set, likewise.
pub(crate) type KeyedSet<K> = HashSet<K, Keyed>;

/// Makes hashers with a key of their own, taken from the operating system's randomness.
#[derive(Clone, Debug)]
pub(crate) struct Keyed(SeedableRandomState);

impl Default for Keyed {
    fn default() -> Self {
        /// What all keys of a process have in common.
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        // The standard library's hasher has a key from the operating system, and gives a new
        // number each time.
        let random = || RandomState::new().hash_one(0);
        let shared = SHARED.get_or_init(|| SharedSeed::from_u64(random()));
        Self(SeedableRandomState::with_seed(random(), shared))
    }
}

impl BuildHasher for Keyed {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        #[cfg(all(test, not(feature = "__shuttle")))]
        counted::HASHED.set(counted::HASHED.get() + 1);
        self.0.build_hasher()
    }
}

/// Tests count how often something is hashed.
#[cfg(all(test, not(feature = "__shuttle")))]
pub(crate) mod counted {
    use std::cell::Cell;

    thread_local!(pub(super) static HASHED: Cell<u32> = const { Cell::new(0) });

    /// How often this thread hashes something in `run`.
    pub(crate) fn hashed(run: impl FnOnce()) -> u32 {
        let before = HASHED.get();
        run();
        HASHED.get() - before
    }
}
