//! A Redis server of a test's own.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::process::{Child, Command};
use umbral_presence::RedisStore;
use uuid::Uuid;

use crate::wait::eventually;

/// A server on loopback, which ends when this is dropped.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    port: u16,
    /// Arguments before the port and after it.
    before: Vec<String>,
    arguments: Vec<String>,
    process: Option<Child>,
    /// The other servers of its cluster.
    others: Vec<Self>,
    /// Where it listens over TLS, and nodes are to reach it so.
    tls_port: Option<u16>,
    /// The sentinel that nodes are to ask for it.
    sentinel: Option<Box<Self>>,
}

impl Store {
    /// Starts an empty server that keeps its data in memory: the program that the variable
    /// `REDIS_SERVER` names, or `redis-server`. Where `STORE_TLS` names a folder with `cert.pem` and
    /// `key.pem`, nodes reach it over TLS.
    ///
    /// # Panics
    ///
    /// Where there is no such program.
    pub async fn start() -> Self {
        match env::var("STORE_TLS") {
            Ok(folder) => Self::over_tls(Path::new(&folder)).await,
            Err(_) => Self::start_with(&[]).await,
        }
    }

    /// Starts a server that listens over TLS as well, with `cert.pem` and `key.pem` of this folder.
    ///
    /// # Panics
    ///
    /// Where there is no such program.
    pub async fn over_tls(folder: &Path) -> Self {
        let port = free_port();
        let file = |name: &str| folder.join(name).display().to_string();
        let (number, certificate, key) = (port.to_string(), file("cert.pem"), file("key.pem"));
        let listen = ["--tls-port", &number, "--tls-auth-clients", "no"];
        let keys = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
        let trust = ["--tls-ca-cert-file", &certificate];
        let mut store = Self::start_with(&[&listen[..], &keys, &trust].concat()).await;
        store.tls_port = Some(port);
        store
    }

    /// Starts a server that nodes find by a sentinel.
    ///
    /// # Panics
    ///
    /// Where there is no such program.
    pub async fn behind_a_sentinel() -> Self {
        let mut store = Self::start_with(&[]).await;
        store.sentinel = Some(Box::new(store.sentinel().await));
        store
    }

    /// How nodes reach it.
    pub fn settings(&self) -> RedisStore {
        match &self.sentinel {
            Some(sentinel) => {
                RedisStore::at("redis://mymaster").sentinels([sentinel.address().to_string()])
            }
            None => RedisStore::at(self.url()),
        }
    }

    /// The same, with more arguments.
    ///
    /// # Panics
    ///
    /// Where there is no such program.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let folder = env::temp_dir().join(format!("umbral-store-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a new folder");
        let arguments = ["--save", ""].iter().chain(arguments).map(ToString::to_string).collect();
        let mut store = Self::new(folder, Vec::new(), arguments);
        store.go_on().await;
        store
    }

    fn new(folder: PathBuf, before: Vec<String>, arguments: Vec<String>) -> Self {
        Self {
            folder,
            port: free_port(),
            before,
            arguments,
            process: None,
            others: Vec::new(),
            tls_port: None,
            sentinel: None,
        }
    }

    /// Starts a cluster of three masters, and of replicas of the first. This is the first.
    ///
    /// # Panics
    ///
    /// Where there is no such program.
    pub async fn cluster(replicas: usize) -> Self {
        const MASTERS: usize = 3;
        const SLOTS: usize = 16_384;
        let mut servers = Vec::new();
        for n in 0..MASTERS + replicas {
            let bus = free_port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            let timeout = ["--cluster-node-timeout", "2000"];
            let server = Self::start_with(&[&cluster[..], &timeout].concat()).await;
            server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]).await;
            if n < MASTERS {
                let (first, last) = (SLOTS * n / MASTERS, SLOTS * (n + 1) / MASTERS - 1);
                let range = [first.to_string(), last.to_string()];
                server.ask(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]).await;
            }
            servers.push((server, bus));
        }
        let all = servers.len();
        for (server, bus) in &servers[1..] {
            let port = server.port.to_string();
            servers[0].0.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await;
        }
        for (server, _) in &servers {
            eventually("the servers know each other", || async {
                let about = server.ask(&["CLUSTER", "INFO"]).await;
                about.contains(&format!("cluster_known_nodes:{all}"))
            })
            .await;
        }
        let first = servers[0].0.ask(&["CLUSTER", "MYID"]).await;
        for (replica, _) in &servers[MASTERS..] {
            replica.ask(&["CLUSTER", "REPLICATE", first.trim()]).await;
            eventually("the replica has what its master has", || async {
                replica.ask(&["INFO", "replication"]).await.contains("master_link_status:up")
            })
            .await;
        }
        for (server, _) in &servers {
            eventually("the cluster is whole", || async {
                server.ask(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok")
            })
            .await;
        }
        let mut servers = servers.into_iter().map(|(server, _)| server);
        let mut store = servers.next().expect("a first one");
        store.others = servers.collect();
        store
    }

    /// Has a server of a cluster forget all that it knows of the cluster.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub async fn forget(&self) {
        let port = self.port.to_string();
        for command in [&["FLUSHALL"][..], &["CLUSTER", "RESET", "HARD"]] {
            let asked = Command::new("redis-cli").args(["-p", &port]).args(command).output().await;
            let answer = String::from_utf8_lossy(&asked.expect("an answer").stdout).into_owned();
            assert!(answer.contains("OK") || answer.contains("READONLY"), "{answer}");
        }
    }

    /// The other servers of its cluster: masters, then replicas.
    pub fn others(&self) -> &[Self] {
        &self.others
    }

    /// Starts a sentinel that watches this server under the name `mymaster`, and makes a replica the
    /// master when the server has been gone for a second.
    ///
    /// # Panics
    ///
    /// Where there is no such program.
    pub async fn sentinel(&self) -> Self {
        let folder = env::temp_dir().join(format!("umbral-store-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a new folder");
        let file = folder.join("sentinel.conf");
        let watch = format!(
            "sentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds mymaster 1000\n\
             sentinel failover-timeout mymaster 5000\n",
            self.port
        );
        std::fs::write(&file, watch).expect("a folder of its own");
        let before = vec![file.display().to_string()];
        let arguments = vec!["--sentinel".to_owned()];
        let mut sentinel = Self::new(folder, before, arguments);
        sentinel.go_on().await;
        sentinel
    }

    /// Starts the server again after it was [killed](Self::kill).
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn go_on(&mut self) {
        let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let own = ["--bind", "127.0.0.1", "--port", &self.port.to_string()];
        let process = Command::new(program)
            .args(&self.before)
            .args(own)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server, which tests/run installs");
        self.process = Some(process);
        eventually("the store answers", || async {
            self.try_ask(&["PING"]).await.is_ok_and(|answer| answer.contains("PONG"))
        })
        .await;
    }

    /// Kills it, with what it has in memory.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("a server that runs");
        process.kill().await.expect("a server that runs");
    }

    /// Its address.
    pub fn url(&self) -> String {
        match self.tls_port {
            Some(port) => format!("rediss://127.0.0.1:{port}"),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// What it answers to a command, as it comes over the wire.
    ///
    /// # Panics
    ///
    /// Where it does not answer.
    pub async fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).await.expect("an answer of the store")
    }

    async fn try_ask(&self, command: &[&str]) -> std::io::Result<String> {
        let port = self.port.to_string();
        // In a cluster: of whichever server has it.
        let follow = (!self.others.is_empty()).then_some("-c");
        let mut ask = Command::new("redis-cli");
        let asked = ask.args(["-p", &port]).args(follow).args(command).output().await?;
        Ok(String::from_utf8_lossy(&asked.stdout).into_owned())
    }
}

/// A port that nobody listens on now. It is below those that the system gives to whoever asks for any,
/// so that it is still free a moment later, and after a restart; none is given twice.
fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 10_000..32_000;
    static FIRST: LazyLock<u16> = LazyLock::new(|| Uuid::new_v4().as_fields().1);
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    for _ in PORTS {
        let next = FIRST.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + next % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.start_kill();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
