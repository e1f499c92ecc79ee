//! Every scenario of the harness, with a handful of connections: what it would measure is
//! right, and it still runs.

use std::process::{Command, Stdio};

#[test]
fn every_scenario_runs_and_every_roster_is_right() {
    let load = env!("CARGO_BIN_EXE_load");
    let usage = Command::new(load).output().expect("the harness");
    let usage = String::from_utf8_lossy(&usage.stderr).into_owned();
    let (_, names) = usage.split_once("scenarios: all ").expect("a list of scenarios");
    // All at once, since those of several nodes wait for leases to end.
    let run = |name| {
        let mut run = Command::new(load);
        run.args([name, "connections=60", "changes=5", "rounds=1"]);
        let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        (name, run.expect("the harness"))
    };
    let runs: Vec<_> = names.split_whitespace().map(run).collect();
    let mut tables = String::new();
    for (name, run) in runs {
        let run = run.wait_with_output().expect("what it says");
        let (table, log) =
            (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{name}:\n{table}\n{log}");
        tables.push_str(&table);
    }
    for row in [
        "memory of an idle WebSocket",
        "told to all, p99",
        "CPU a delivery",
        "lost and back",
        "a watcher shows",
        "8 nodes: messages",
    ] {
        assert!(tables.contains(row), "no {row} in\n{tables}");
    }
}
