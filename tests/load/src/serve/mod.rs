//! The servers that are measured, each in a process of its own: it says where it listens, and
//! ends with its input.

pub(crate) mod bare;
pub(crate) mod ours;
mod writes;

use std::{
    io::{self, Read},
    net::SocketAddr,
    process, thread,
};

use tokio::net::{TcpListener, TcpSocket};
use umbral_presence::Limits;

use crate::Failure;

/// As many as the kernel lets wait to be accepted.
const BACKLOG: u32 = 4096;

/// Serves the subject of that name; with the address of a store, as one of several nodes.
pub(crate) async fn run(name: &str, store: Option<&str>) -> Result<(), Failure> {
    thread::spawn(|| {
        // Whoever has started it is gone.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    let router = match name {
        "ours" => ours::router(Limits::default(), store)?,
        "bare" => bare::router(),
        "writes" => return writes::serve(),
        other => return Err(format!("{other} is no server").into()),
    };
    Ok(axum::serve(listen()?, router).await?)
}

/// Listens, and says where.
fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    say(listener.local_addr()?);
    Ok(listener)
}

#[allow(clippy::print_stdout)]
fn say(address: SocketAddr) {
    println!("{address}");
}
