//! Every scenario of the harness, with a handful of connections: what it would measure is
//! right, and it still runs.

use std::process::Command;

#[test]
fn every_scenario_runs_and_every_roster_is_right() {
    let load = env!("CARGO_BIN_EXE_load");
    let run = Command::new(load).args(["all", "connections=60", "changes=5", "rounds=1"]).output();
    let run = run.expect("the harness");
    let (table, log) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{table}\n{log}");
    for row in
        ["memory of an idle WebSocket", "told to all, p99", "CPU a delivery", "lost and back"]
    {
        assert!(table.contains(row), "no {row} in\n{table}\n{log}");
    }
}
