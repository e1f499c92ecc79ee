//! What is measured without sockets, in a process of its own that says what it took: a line
//! with the bytes of memory and the nanoseconds of processor time for each of what is counted.

mod duplex;
mod registry;

use std::time::Duration;

use tokio::process::Command;

use crate::{Failure, subject::Subject};

/// What each of what is counted takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) memory: u64,
    pub(crate) cpu: Duration,
}

/// Measures in this process, and says what it took.
#[allow(clippy::print_stdout)]
pub(crate) async fn run(what: &str, subject: &str, count: &str) -> Result<(), Failure> {
    let subject = match subject {
        "ours" => Subject::Ours,
        "bare" => Subject::Bare,
        other => return Err(format!("{other} cannot be measured inside").into()),
    };
    let count = count.parse()?;
    let Cost { memory, cpu } = match what {
        "rooms" => duplex::rooms(subject, count).await?,
        "watchers" => duplex::watchers(count).await?,
        "one-room" => registry::one_room(count)?,
        "small-rooms" => registry::small_rooms(count)?,
        other => return Err(format!("{other} is not measured inside").into()),
    };
    println!("{memory} {}", cpu.as_nanos());
    Ok(())
}

/// Has it measured in a process of its own.
pub(crate) async fn cost(what: &str, subject: Subject, count: u32) -> Result<Cost, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["inside", what, subject.name(), &count.to_string()]).kill_on_drop(true);
    let output = command.output().await?;
    let (said, complaint) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    let numbers = said.trim().split_once(' ');
    let cost = numbers.and_then(|(memory, nanoseconds)| {
        let cpu = Duration::from_nanos(nanoseconds.parse().ok()?);
        Some(Cost { memory: memory.parse().ok()?, cpu })
    });
    cost.ok_or_else(|| format!("{what} of {count} says {said:?}: {complaint}").into())
}
