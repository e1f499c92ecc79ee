//! What is timed and what may fail, with the feature and without it.

/// What is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timed {
    Flush,
    Identity,
    Policy,
    Resolver,
    BatchResolver,
    /// A request to the store between nodes.
    #[cfg(feature = "redis")]
    Store(#[cfg_attr(not(feature = "metrics"), allow(dead_code))] &'static str),
}

/// What the library calls of the application.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Identity,
    Policy,
    Resolver,
    Handler,
}
