//! The lock of groups, connections, users and outboxes. With the feature `__shuttle` a test
//! decides who runs at each of its uses, so that it can go through the orders that there are.
//! Other tests count how often it is taken, and see to it that it is taken in order.

#[cfg(not(any(test, feature = "__shuttle")))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(all(test, not(feature = "__shuttle")))]
pub(crate) use self::checked::{Mutex, MutexGuard, assert_unlocked, taken};

#[cfg(feature = "__shuttle")]
pub(crate) use self::explored::{Mutex, MutexGuard};

/// No lock is held where code is called that this crate does not know: unit tests check it here.
#[cfg(not(all(test, not(feature = "__shuttle"))))]
pub(crate) fn assert_unlocked() {}

#[cfg(all(test, not(feature = "__shuttle")))]
mod checked;

#[cfg(feature = "__shuttle")]
mod explored {
    pub(crate) use shuttle::sync::MutexGuard;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no test panics under a lock and goes on")
        }
    }
}
