//! A server in a process of its own, so that its memory and its processor time are its own.

use std::{io, net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use crate::{Failure, settings::Settings, subject::Subject, usage::Usage};

/// A server may have to be linked to its libraries, on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// The peer wants one of 32 characters, which are no number.
const SECRET: &str = "for-measuring-only-32-characters";

/// A running server, which ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) subject: Subject,
    pub(crate) address: SocketAddr,
    pub(crate) usage: Usage,
    child: Child,
    /// It ends when this is closed, whatever becomes of this process.
    _input: ChildStdin,
}

impl Server {
    /// Starts the subject's server.
    pub(crate) async fn start(subject: Subject, settings: &Settings) -> Result<Self, Failure> {
        Self::run(subject, settings, None).await
    }

    /// Starts it as one of several nodes that share this store.
    pub(crate) async fn start_on(
        store: &str,
        subject: Subject,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        Self::run(subject, settings, Some(store)).await
    }

    /// The server says on its first line where it listens.
    async fn run(
        subject: Subject,
        settings: &Settings,
        store: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut command = match subject {
            Subject::Peer => {
                let program = settings.peer.as_ref().ok_or("no program of the peer")?;
                let mut command = Command::new(program);
                command.envs([("UMBRAL_SECRET_KEY", SECRET), ("UMBRAL_ENVIRONMENT", "dev")]);
                command
            }
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["serve", subject.name()]);
                command
            }
        };
        command.args(store);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.map_err(|error| format!("the server {subject}: {error}"))?;
        let input = child.stdin.take().ok_or("a pipe that was asked for")?;
        let output = child.stdout.take().ok_or("a pipe that was asked for")?;
        let id = child.id().ok_or_else(|| format!("the server {subject} has ended"))?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(STARTS_WITHIN, lines.next_line()).await??;
        let line = line.ok_or_else(|| format!("the server {subject} says no address"))?;
        let address = line.parse().map_err(|error| format!("{subject} says {line:?}: {error}"))?;
        Ok(Self { subject, address, usage: Usage(id), child, _input: input })
    }

    /// Ends it, with all its connections.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}
