//! `cargo run -p accounts` serves the example on <http://127.0.0.1:3002>. `--port 3003` takes another
//! port, and 0 takes any free one. `--folder /srv/accounts` keeps the database in a file there.
//! `--issuer http://127.0.0.1:8080/realms/example --audience accounts` takes that issuer's tokens too.

mod arguments;

use std::{env, error::Error, io::Write as _, process::ExitCode};

use accounts::{Accounts, PASSWORD, Settings};
use tokio::net::TcpListener;

use crate::arguments::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error + Send + Sync>> {
    let Arguments { port, folder, issuer } = Arguments::read(env::args().skip(1))?;
    let settings = Settings { folder, issuer, ..Settings::default() };
    let Accounts { router, realtime } = Accounts::open(settings).await?;
    let taken =
        |error| format!("the port {port} cannot be used: {error}; --port takes another one");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(taken)?;
    // With port 0 this line is the only place that says the port.
    let place = listener.local_addr()?;
    writeln!(std::io::stdout(), "http://{place}\nThe password of everybody is {PASSWORD}.")?;
    let closing = async {
        tokio::signal::ctrl_c().await.ok();
        realtime.drain().await;
    };
    // axum's graceful shutdown would wait for ever for a socket whose reader is stuck.
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = closing => {}
    }
    Ok(())
}
