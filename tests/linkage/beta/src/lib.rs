//! A crate that declares groups, two of them as `alpha` does.

use live::presence;

/// In conflict with `alpha`.
#[presence(pattern = "doc:{id}:draft", crate = live)]
pub struct Draft {
    /// Any number.
    pub id: u64,
}

/// In conflict with `alpha`.
#[presence(prefix = "room:", crate = live)]
pub struct Chat;

/// In conflict with nobody.
#[presence(exact = "hall", crate = ::live)]
pub struct Hall;
