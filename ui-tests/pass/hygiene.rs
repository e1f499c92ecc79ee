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
    pub(crate) struct Display;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) struct HashMap;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Some;
    pub(crate) struct None;
    #[allow(non_camel_case_types)]
    pub(crate) struct str;
    #[allow(non_camel_case_types)]
    pub(crate) struct bool;
}
#[allow(unused_imports)]
use shadows::{
    Box, Display, Err, FromStr, Group, HashMap, None, Ok, Option, Result, Some, String, Vec, bool,
    str,
};

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

const HALL: &::core::primitive::str = "hall:";

/// Its prefix is a constant.
#[renamed::presence(prefix = HALL, resolver = calls::display)]
pub(crate) struct Hall(u64);

/// Picked by a function.
#[renamed::presence(matching = calls::is_long, grace = "0s")]
struct Long;

/// Looked up for many users at once.
#[renamed::presence(exact = ["yard", "garden"], batch_resolver = calls::names)]
pub struct Outside;

/// Its places are the fields in another order.
#[cfg_attr(all(), renamed::presence(pattern = "row:{row}/{seat}"))]
pub struct Place {
    /// In the row.
    pub seat: u8,
    /// From the front.
    pub row: u8,
}

mod calls {
    pub(super) async fn names(
        _: ::std::vec::Vec<::renamed::UserId>,
        _: ::renamed::ResolveContext,
    ) -> ::std::collections::HashMap<::renamed::UserId, ::serde_json::Value> {
        ::core::default::Default::default()
    }

    pub(super) fn display(id: &::core::primitive::str) -> ::serde_json::Value {
        ::core::convert::From::from(id)
    }

    pub(super) fn is_long(name: &::core::primitive::str) -> ::core::primitive::bool {
        name.len() > 100
    }
}

pub(crate) mod inner {
    //! Deeper down.

    /// A document.
    #[::renamed::presence(pattern = "doc:{name}")]
    #[allow(dead_code)]
    pub(crate) struct Doc {
        /// Its name.
        pub(super) name: ::std::string::String,
    }

    /// Seen from one module up.
    #[::renamed::presence(prefix = "bench:")]
    pub(super) struct Bench;

    /// Not there.
    #[cfg(any())]
    #[renamed::presence(prefix = "room:")]
    struct Absent;
}

fn main() {
    /// Declared inside of a function.
    #[renamed::presence(exact = "lobby")]
    struct Lobby;

    /// Typed, inside of a function.
    #[renamed::presence(prefix = "seat:")]
    struct Seat(u8);

    ::std::assert!(::core::result::Result::is_ok(&inner::Bench::group(Seat(1).0)));
    let name = renamed::Group::group_name(&::core::clone::Clone::clone(&Room(7)));
    ::std::assert!(::core::result::Result::is_ok(&name));
    let place = renamed::Group::group_name(&Place { seat: 7, row: 1 });
    ::std::assert!(place.is_ok_and(|name| name.as_str() == "row:1/7"));
    ::std::assert_eq!(renamed::declared().len(), 10);
}
