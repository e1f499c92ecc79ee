//! The expansion stands on its own, whatever the user's crate has in scope.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub)]
#![forbid(unsafe_code)]

extern crate umbral_presence as renamed;

/// Names of the prelude that mean something else here.
#[allow(dead_code)]
mod shadows {
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct String;
    pub(crate) struct Group;
    pub(crate) struct FromStr;
}
#[allow(unused_imports)]
use shadows::{FromStr, Group, Option, Result, String};

/// Other paths to the runtime.
mod other {
    pub(crate) use ::umbral_presence as runtime;
}

/// A room.
#[::core::prelude::v1::derive(Clone)]
#[renamed::presence(prefix = "room:", crate = other::runtime)]
#[::core::prelude::v1::derive(Debug)]
pub struct Room(pub u64);

/// Declared for itself alone, and private.
#[renamed::presence(prefix = "table:")]
struct Table;

pub(crate) mod inner {
    //! Deeper down.

    /// A document.
    #[::renamed::presence(pattern = "doc:{name}")]
    #[allow(dead_code)]
    pub(crate) struct Doc {
        /// Its name.
        pub(super) name: ::std::string::String,
    }

    /// Not there.
    #[cfg(any())]
    #[renamed::presence(prefix = "room:")]
    struct Absent;
}

fn main() {
    /// Declared inside of a function.
    #[renamed::presence(exact = "lobby")]
    struct Lobby;

    let name = renamed::Group::group_name(&::core::clone::Clone::clone(&Room(7)));
    ::std::assert!(::core::result::Result::is_ok(&name));
    ::std::assert_eq!(renamed::declared().len(), 4);
}
