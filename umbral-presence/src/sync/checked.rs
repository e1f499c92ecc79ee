//! What unit tests lock: each use is counted, and one that is out of order is a panic. So every
//! test of a hub shows that two threads cannot wait for each other.

use std::{
    any::type_name,
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
};

/// What is locked first comes first; nothing is locked under anything that is not named here, nor
/// under the last one.
const ORDER: [&str; 6] = [
    "Vec<(std::time::Instant, alloc::sync::Weak<umbral_presence::hub::connection::Connection>)>",
    "subscriptions::Subscriptions",
    "users::Whereabouts",
    "cell::Sending",
    "state::State",
    "outbox::Contents",
];

thread_local! {
    static TAKEN: Cell<u32> = const { Cell::new(0) };
    /// What this thread has locked.
    static HELD: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Where what is locked stands in the order.
fn rank(name: &str) -> usize {
    ORDER.iter().position(|ordered| name.ends_with(ordered)).unwrap_or(ORDER.len())
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        TAKEN.set(TAKEN.get() + 1);
        let held = Held::new(type_name::<T>());
        MutexGuard { value: self.0.lock(), _held: held }
    }
}

/// It lets the lock go before it says so.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    value: parking_lot::MutexGuard<'a, T>,
    _held: Held,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A lock that this thread holds, or waits for.
#[derive(Debug)]
struct Held(&'static str);

impl Held {
    fn new(name: &'static str) -> Self {
        HELD.with_borrow_mut(|held| {
            let last = held.iter().copied().max_by_key(|other| rank(other));
            if let Some(other) = last {
                assert!(rank(other) < rank(name), "{name} is locked under {other}");
            }
            held.push(name);
        });
        Self(name)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| {
            let at = held.iter().rposition(|other| *other == self.0);
            at.map(|at| held.swap_remove(at));
        });
    }
}

/// Whoever calls code that this crate does not know holds no lock, for which it may come back.
pub(crate) fn assert_unlocked() {
    if !std::thread::panicking() {
        HELD.with_borrow(|held| assert!(held.is_empty(), "others are called under {held:?}"));
    }
}

/// How often this thread takes a lock in `run`.
pub(crate) fn taken(run: impl FnOnce()) -> u32 {
    let before = TAKEN.get();
    run();
    TAKEN.get() - before
}

#[test]
#[should_panic(expected = "Whereabouts is locked under")]
fn a_lock_out_of_order_is_seen() {
    let names = ["a::users::Whereabouts", "a::group::state::State"];
    let _right = names.map(Held::new);
    let _wrong = names.map(Held::new);
}
