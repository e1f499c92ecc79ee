//! A node as a process of its own, that can be killed.

use std::{net::SocketAddr, path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::{Client, Kind, eventually, settled};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// A node, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Node {
    /// Starts a node on the store at `url`, and waits until it is with the store.
    pub(crate) async fn start(url: &str, grace_ms: u64) -> Self {
        Self::start_with(&[url, &grace_ms.to_string()], &[]).await
    }

    /// Starts a node with these arguments and variables.
    pub(crate) async fn start_with(arguments: &[&str], variables: &[(&str, &Path)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_node"))
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the node's program");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = settled("the node's address", lines.next_line()).await;
        let address = address.expect("a pipe").expect("a line").parse().expect("an address");
        Self { address, child }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.id()).expect("a process"), signal).expect("our process");
    }

    /// Stops it. On a busy machine some of its threads go on for a while after the signal.
    pub(crate) async fn stop(&self) {
        self.signal(Signal::STOP);
        eventually("the node stands still", async || stands_still(self.id())).await;
    }

    fn id(&self) -> i32 {
        self.child.id().expect("a process that runs").try_into().expect("a small number")
    }

    /// Waits until it has ended.
    pub(crate) async fn end(mut self) {
        settled("the node ends", self.child.wait()).await.expect("a process");
    }

    /// Opens a stream.
    pub(crate) async fn open(&self, kind: Kind, user: Option<&str>, groups: &str) -> Client {
        let opened = settled("the stream opens", async {
            let socket = TcpStream::connect(self.address).await.expect("a node");
            Client::open_on(socket, kind, user, groups).await.expect("an answer")
        });
        opened.await.unwrap_or_else(|(status, body)| panic!("refused with {status}: {body}"))
    }

    /// Since when and why it is alone, or null.
    pub(crate) async fn degraded(&self) -> Value {
        let url = format!("http://{}/health", self.address);
        let health = settled("its health", reqwest::get(url)).await.expect("an answer");
        let health: Value = health.json().await.expect("JSON");
        health["degraded"].clone()
    }

    /// Waits until it is alone, or with the store.
    pub(crate) async fn is_alone(&self, is_alone: bool) {
        eventually(&format!("alone: {is_alone}"), || async {
            self.degraded().await.is_null() != is_alone
        })
        .await;
    }
}

/// Whether all threads of a process have been stopped.
fn stands_still(process: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process");
    let mut states = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("stat");
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        // The name, which may hold anything, is in brackets before the state.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    });
    states.all(|is_stopped| is_stopped)
}
