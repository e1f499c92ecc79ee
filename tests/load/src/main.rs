//! What umbral-presence costs under load, beside the floor (what axum, or the machine, costs
//! for the same) and beside a peer, in one run: servers in processes of their own, real
//! connections from this one, and every roster checked at the end.
//!
//! ```text
//! load SCENARIO.. [connections=N] [changes=N] [rounds=5] [peer=PROGRAM] [picture=FILE]
//! ```

mod arrivals;
mod client;
mod crowd;
mod files;
mod inside;
mod leaves;
mod machine;
mod picture;
mod process;
mod redis;
mod scenario;
mod serve;
mod settings;
mod sheet;
mod subject;
mod usage;
mod visitors;

use std::process::ExitCode;

use self::sheet::Sheet;

/// What ends a run: a wrong roster as well as a server that does not start.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match *words {
        ["serve", subject] => serve::run(subject, None).await,
        ["serve", subject, store] => serve::run(subject, Some(store)).await,
        ["inside", what, subject, count] => inside::run(what, subject, count).await,
        _ => measure(&words).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            sheet::say(&format!("failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &[&str]) -> Result<(), Failure> {
    let (scenarios, settings) = settings::read(arguments)?;
    files::raise_limit()?;
    let mut sheet = Sheet::default();
    for scenario in scenarios {
        scenario.run(&settings, &mut sheet).await?;
    }
    sheet.print(&settings);
    Ok(())
}
