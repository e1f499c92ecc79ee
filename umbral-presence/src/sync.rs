//! The lock of groups, connections, users and outboxes. With the feature `__shuttle` a test
//! decides who runs at each of its uses, so that it can go through the orders that there are.
//! Other tests count how often it is taken.

#[cfg(not(any(test, feature = "__shuttle")))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(all(test, not(feature = "__shuttle")))]
pub(crate) use self::counted::{Mutex, MutexGuard, taken};

#[cfg(feature = "__shuttle")]
pub(crate) use self::explored::{Mutex, MutexGuard};

#[cfg(all(test, not(feature = "__shuttle")))]
mod counted {
    use std::cell::Cell;

    pub(crate) use parking_lot::MutexGuard;

    thread_local!(static TAKEN: Cell<u32> = const { Cell::new(0) });

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(parking_lot::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            TAKEN.set(TAKEN.get() + 1);
            self.0.lock()
        }
    }

    /// How often this thread takes a lock in `run`.
    pub(crate) fn taken(run: impl FnOnce()) -> u32 {
        let before = TAKEN.get();
        run();
        TAKEN.get() - before
    }
}

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
