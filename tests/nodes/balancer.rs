//! What stands before several nodes: each connection goes to the next one, whoever it is from.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tests::{Client, Kind};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

/// A balancer without stickiness, which stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    nodes: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl Balancer {
    pub(crate) async fn start(nodes: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("an address");
        let nodes = Arc::new(Mutex::new(nodes));
        let task = tokio::spawn(accept(listener, nodes.clone()));
        Self { address, nodes, task }
    }

    /// Connections that come from now on go to these.
    pub(crate) fn set(&self, nodes: Vec<SocketAddr>) {
        *self.nodes.lock() = nodes;
    }

    /// Opens a stream on whatever node, as often as it takes.
    pub(crate) async fn open(&self, kind: Kind, user: Option<&str>, groups: &str) -> Client {
        loop {
            let socket = TcpStream::connect(self.address).await.expect("a balancer");
            if let Ok(Ok(client)) = Client::open_on(socket, kind, user, groups).await {
                return client;
            }
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, nodes: Arc<Mutex<Vec<SocketAddr>>>) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let node = {
            let mut nodes = nodes.lock();
            nodes.rotate_left(1);
            nodes[0]
        };
        connections.spawn(async move {
            if let Ok(mut node) = TcpStream::connect(node).await {
                let _ = copy_bidirectional(&mut client, &mut node).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
