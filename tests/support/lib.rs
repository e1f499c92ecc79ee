//! What the integration tests share: a server on loopback, clients of both transports, and
//! a roster folded from frames that contradicts whoever contradicts it.

mod client;
mod fold;
mod http1;
mod pipes;
mod process;
mod proxy;
mod random;
mod routes;
mod server;
mod wait;

pub use self::{
    client::{Client, Frame, Kind},
    fold::Fold,
    http1::{Body, Head, read_head},
    pipes::{Pipes, fill, until_gone},
    process::Process,
    proxy::{Mode, Proxy},
    random::Random,
    routes::{Chunks, call, control, told},
    server::{EVENT_STREAM, Server, USER_HEADER},
    wait::{DEADLINE, eventually, settled},
};
