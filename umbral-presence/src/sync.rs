//! The lock of groups, connections and outboxes. With the feature `__shuttle` a test decides
//! who runs at each of its uses, so that it can go through the orders that there are.

#[cfg(not(feature = "__shuttle"))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(feature = "__shuttle")]
pub(crate) use self::explored::{Mutex, MutexGuard};

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
