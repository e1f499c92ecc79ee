//! The guide: what one wants to know besides the items of this crate.
//!
//! | page | what it tells |
//! |---|---|
//! | [`getting_started`] | a first application, from an empty folder to two browsers |
//! | [`access`] | who a request is from, who may see whom, and for how long |
//! | [`in_the_page`] | scripts, modules, React, Vue, Svelte, Solid, htmx, the first HTML, Vite |
//! | [`client`] | the browser's client: what a subscription has, what it does in trouble |
//! | [`production`] | proxies, limits, several nodes, going down |
//! | [`observability`] | probes, metrics, spans and log lines: what to watch |
//! | [`protocol`] | every route, frame and field, for a client in another language |
//! | [`errors`] | every code: why, and what to do |
//! | [`testing`] | people who come and go in tests, on the server and in the page |
//! | [`privacy`] | what is sent of a user, to whom |
//! | [`coming_from`] | Phoenix Presence, Pusher, Socket.IO, `umbral-realtime` |

#![allow(clippy::doc_markdown, reason = "names of products are no code")]

#[cfg(all(test, not(feature = "__shuttle")))]
mod logs;

#[doc = include_str!("../docs/getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("../docs/access.md")]
pub mod access {}

#[doc = include_str!("../docs/in_the_page.md")]
pub mod in_the_page {}

#[doc = include_str!("../client/README.md")]
pub mod client {}

#[doc = include_str!("../docs/production.md")]
pub mod production {}

#[doc = include_str!("../docs/observability.md")]
pub mod observability {}

#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}

#[cfg_attr(feature = "test", doc = include_str!("../docs/testing.md"))]
#[cfg_attr(
    not(feature = "test"),
    doc = "This page comes with the feature `test`, which it is about."
)]
pub mod testing {}

#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

#[doc = include_str!("../docs/privacy.md")]
pub mod privacy {}

#[doc = include_str!("../docs/coming_from.md")]
pub mod coming_from {}
