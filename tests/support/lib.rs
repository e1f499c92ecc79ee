//! What the integration tests share: a server on loopback, clients of both transports, and
//! a roster folded from frames that contradicts whoever contradicts it.

mod client;
mod fold;
mod frame;
mod http1;
mod pipes;
mod process;
mod processor;
mod proxy;
mod random;
mod routes;
mod server;
mod store;
mod wait;
mod watcher;

pub use self::{
    client::Client,
    fold::Fold,
    frame::{Frame, Kind, presence_of},
    http1::{Body, Head, read_head},
    pipes::{Pipes, fill, until_gone},
    process::Process,
    processor::on_processor,
    proxy::{Mode, Proxy},
    random::Random,
    routes::{Chunks, call, code, control, get, json, told},
    server::{EVENT_STREAM, Server, USER_HEADER},
    store::Store,
    wait::{DEADLINE, eventually, settled},
    watcher::{Watcher, is_settled},
};
