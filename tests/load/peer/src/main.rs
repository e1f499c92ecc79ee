//! umbral-realtime as an application has it that changes nothing: users by header, everybody
//! may join, id-only payloads. It says where it listens, and ends with its input. The address of a
//! Redis server as its argument makes it one of several nodes.

use std::{
    env,
    error::Error,
    io::{self, Read},
    process, thread,
};

use http::HeaderMap;
use tokio::net::TcpSocket;
use umbral::{App, Settings, db::connect_sqlite};
use umbral_realtime::{PresenceSpec, RealtimePlugin};

const DATABASE: &str = "sqlite::memory:";

/// As many as the kernel lets wait to be accepted.
const BACKLOG: u32 = 4096;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    thread::spawn(|| {
        // Whoever has started it is gone.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    let mut plugin = RealtimePlugin::new()
        .with_presence(PresenceSpec::prefixes(["room:", "lasting:"]))
        .identity_resolver(|headers: HeaderMap| async move {
            headers.get("x-user")?.to_str().ok().map(str::to_owned)
        })
        .group_policy_fn(|_, _| true);
    if let Some(store) = env::args().nth(1) {
        plugin = plugin.redis(store);
    }
    let mut settings = Settings::from_env()?;
    settings.database_url = DATABASE.to_owned();
    let database = connect_sqlite(DATABASE).await?;
    let app = App::builder().settings(settings).database("default", database).plugin(plugin);
    let router = app.build()?.into_router();
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
