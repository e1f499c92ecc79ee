//! A server in a process of its own, so that its memory and its processor time are its own.

use std::{fs, io, net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use crate::{Failure, settings::Settings, subject::Subject};

/// A server may have to be linked to its libraries, on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running server, which ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) subject: Subject,
    pub(crate) address: SocketAddr,
    id: u32,
    child: Child,
    /// It ends when this is closed, whatever becomes of this process.
    _input: ChildStdin,
}

impl Server {
    /// Starts the subject's server, which says on its first line where it listens.
    pub(crate) async fn start(subject: Subject, settings: &Settings) -> Result<Self, Failure> {
        let mut command = match subject {
            Subject::Peer => Command::new(settings.peer.as_ref().ok_or("no program of the peer")?),
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["serve", subject.name()]);
                command
            }
        };
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.map_err(|error| format!("the server {subject}: {error}"))?;
        let input = child.stdin.take().ok_or("a pipe that was asked for")?;
        let output = child.stdout.take().ok_or("a pipe that was asked for")?;
        let id = child.id().ok_or_else(|| format!("the server {subject} has ended"))?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(STARTS_WITHIN, lines.next_line()).await??;
        let line = line.ok_or_else(|| format!("the server {subject} says no address"))?;
        let address = line.parse().map_err(|error| format!("{subject} says {line:?}: {error}"))?;
        Ok(Self { subject, address, id, child, _input: input })
    }

    /// Ends it, with all its connections.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// The processor time that its threads have taken so far, in the kernel and outside: finer
    /// than `/proc/PID/stat`, which counts in hundredths of a second.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id))? {
            // A thread may have ended meanwhile.
            let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            let on_cpu = times.split(' ').next().and_then(|field| field.parse::<u64>().ok());
            nanoseconds += on_cpu.unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// A line of its status in bytes: `VmRSS`, the memory that it has, or `VmHWM`, the most
    /// that it ever had.
    pub(crate) fn memory(&self, line: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let kibibytes = found.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kibibytes.ok_or_else(|| format!("no {line} in the status"))? * 1024)
    }
}
