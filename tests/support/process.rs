//! A server in a process of its own, so that its memory and its processor time are its own.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpSocket,
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{Client, Kind, settled};

/// What the kernel counts processor time in: `USER_HZ`, which is the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The program `serve`, which ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    idle_sockets: usize,
}

impl Process {
    /// Starts the program that a test finds as `env!("CARGO_BIN_EXE_serve")`, with this limit of
    /// an outbox in bytes.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start(program: &str, outbox: usize) -> Self {
        let mut child = Command::new(program)
            .arg(outbox.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server's program");
        let orders = child.stdin.take().expect("a pipe");
        let mut answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = settled("the server's address", answers.next_line()).await;
        let address = address.expect("a pipe").expect("a line").parse().expect("an address");
        let mut process = Self { address, child, orders, answers, idle_sockets: 0 };
        process.idle_sockets = process.sockets();
        process
    }

    /// Has it do something, and gives what it answers.
    ///
    /// # Panics
    ///
    /// Where it gives no answer.
    pub async fn order(&mut self, order: &str) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.expect("a server");
        let answer = settled(order, self.answers.next_line()).await;
        serde_json::from_str(&answer.expect("a pipe").expect("a line")).expect("JSON")
    }

    /// A line of its status, such as `VmRSS`, in bytes.
    ///
    /// # Panics
    ///
    /// Where there is no such line.
    pub fn memory(&self, line: &str) -> usize {
        let status = self.read("status");
        let line = status.lines().find_map(|text| text.strip_prefix(line)).expect("a line");
        let kibibytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().expect("a number") * 1024
    }

    /// The processor time that it has taken so far.
    ///
    /// # Panics
    ///
    /// Where the system does not say.
    pub fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        // The name of the program, in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let times = fields.split(' ').skip(11).take(2);
        let ticks: u32 = times.map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
        TICK * ticks
    }

    /// How many sockets it has open.
    ///
    /// # Panics
    ///
    /// Where the system does not say.
    pub fn sockets(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id().expect("a process that runs"));
        let files = std::fs::read_dir(path).expect("a system with /proc").flatten();
        let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// How many sockets it has open where nobody is connected.
    pub fn idle_sockets(&self) -> usize {
        self.idle_sockets
    }

    fn read(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id().expect("a process that runs"));
        std::fs::read_to_string(path).expect("a system with /proc")
    }

    /// Opens a stream.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn open(&self, kind: Kind, user: Option<&str>, groups: &str) -> Client {
        self.open_on(TcpSocket::new_v4().expect("a socket"), kind, user, groups).await
    }

    /// Opens a stream, or gives the status of the refusal.
    ///
    /// # Errors
    ///
    /// The status of the refusal.
    ///
    /// # Panics
    ///
    /// Where there is no answer.
    pub async fn try_open(
        &self,
        kind: Kind,
        user: Option<&str>,
        groups: &str,
    ) -> Result<Client, u16> {
        let socket = TcpSocket::new_v4().expect("a socket");
        let socket = socket.connect(self.address).await.expect("a server");
        let opened = Client::open_on(socket, kind, user, groups).await.expect("an answer");
        opened.map_err(|(status, _)| status)
    }

    /// A watcher that will not read, and whose kernel takes `buffer` bytes for it.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn open_slow(&self, kind: Kind, groups: &str, buffer: u32) -> Client {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(buffer).expect("a socket option that is there");
        self.open_on(socket, kind, None, groups).await
    }

    async fn open_on(
        &self,
        socket: TcpSocket,
        kind: Kind,
        user: Option<&str>,
        groups: &str,
    ) -> Client {
        let socket = socket.connect(self.address).await.expect("a server");
        let opened = Client::open_on(socket, kind, user, groups).await.expect("an answer");
        opened.unwrap_or_else(|(status, body)| panic!("refused with {status}: {body}"))
    }
}
