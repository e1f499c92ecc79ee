//! What umbral-presence costs under load, beside the floor (what axum, or the machine, costs
//! for the same) and beside a peer, in one run: servers in processes of their own, real
//! connections from this one, and every roster checked at the end.
//!
//! ```text
//! load SCENARIO.. [connections=N] [changes=N] [rounds=5] [peer=PROGRAM]
//! ```

mod arrivals;
mod client;
mod crowd;
mod files;
mod machine;
mod process;
mod scenario;
mod serve;
mod settings;
mod sheet;
mod subject;

use std::process::ExitCode;

use self::sheet::Sheet;

/// What ends a run: a wrong roster as well as a server that does not start.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let result = match arguments.next_if(|first| first == "serve") {
        Some(_) => serve::run(arguments.next().as_deref()).await,
        None => measure(arguments).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            sheet::say(&format!("failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let (scenarios, settings) = settings::read(arguments)?;
    files::raise_limit()?;
    let mut sheet = Sheet::default();
    for scenario in scenarios {
        scenario.run(&settings, &mut sheet).await?;
    }
    sheet.print(&settings);
    Ok(())
}
