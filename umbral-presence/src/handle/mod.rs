//! What applications hold.

mod watch;

pub use self::watch::Watch;
