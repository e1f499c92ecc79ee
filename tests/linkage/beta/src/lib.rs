//! A crate that declares groups, two of them as `alpha` does.

use umbral_presence::presence;

/// In conflict with `alpha`.
#[presence(pattern = "doc:{id}:draft")]
pub struct Draft {
    /// Any number.
    pub id: u64,
}

/// In conflict with `alpha`.
#[presence(prefix = "room:")]
pub struct Chat;

/// In conflict with nobody.
#[presence(exact = "hall")]
pub struct Hall;
