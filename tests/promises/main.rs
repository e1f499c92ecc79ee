//! What is promised, a module for each promise: `tests/README.md` says which, and why some tests
//! are programs of their own.
//!
//! Declarations of all modules meet in this program. A plugin of [`tests::Server`] ignores them;
//! the one that does not is in `privacy/resolving.rs`.

mod access;
mod bounded;
mod convergence;
mod drain;
mod failures;
mod grace;
mod hostile;
mod isolation;
mod leak;
mod liveness;
mod order;
mod presence;
mod privacy;
mod silence;
mod wire;
mod world;
