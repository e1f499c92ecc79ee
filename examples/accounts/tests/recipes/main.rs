//! The recipes of the example, over real sockets: what the database says is what streams are told.

mod guide;
mod house;
mod issuer;
mod members;
mod outages;
mod sessions;
mod tokens;
