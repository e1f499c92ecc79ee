//! What a process takes of the machine.

use std::{fs, io, time::Duration};

use crate::Failure;

/// A process, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage(pub(crate) u32);

impl Usage {
    /// That of this process.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// The processor time that its threads have taken so far, in the kernel and outside: finer
    /// than `/proc/PID/stat`, which counts in hundredths of a second.
    pub(crate) fn cpu(self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            // A thread may have ended meanwhile.
            let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            let on_cpu = times.split(' ').next().and_then(|field| field.parse::<u64>().ok());
            nanoseconds += on_cpu.unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The memory that it has, in bytes.
    pub(crate) fn memory(self) -> Result<u64, Failure> {
        self.status("VmRSS")
    }

    /// The most that it ever had.
    pub(crate) fn peak(self) -> Result<u64, Failure> {
        self.status("VmHWM")
    }

    fn status(self, line: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let kibibytes = found.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kibibytes.ok_or_else(|| format!("no {line} in the status"))? * 1024)
    }
}
