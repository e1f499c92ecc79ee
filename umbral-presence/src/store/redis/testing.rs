//! A store of a test's own.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, PushInfo, aio::MultiplexedConnection};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A server that ends with the test. It listens on a socket in a folder of its own, so that no two
/// tests want the same port.
pub(super) struct Server {
    process: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts the program that `REDIS_SERVER` names, or `redis-server`.
    pub(super) async fn start() -> Self {
        let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let name = format!("umbral-store-{}", getrandom::u64().expect("randomness"));
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a new folder");
        let process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.join("socket"))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, which tests/run installs");
        let server = Self { process, folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.try_connect().await.is_none() {
            assert!(Instant::now() < deadline, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    async fn try_connect(&self) -> Option<(MultiplexedConnection, UnboundedReceiver<PushInfo>)> {
        let address = format!("unix://{}?protocol=resp3", self.folder.join("socket").display());
        let client = Client::open(address).expect("an address");
        let (sender, pushes) = unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_push_sender(sender)
            .set_response_timeout(Some(Duration::from_secs(20)));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        Some((connection.ok()?, pushes))
    }

    /// A connection, and what is pushed over it.
    pub(super) async fn connect(&self) -> (MultiplexedConnection, UnboundedReceiver<PushInfo>) {
        self.try_connect().await.expect("a server that answers")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
