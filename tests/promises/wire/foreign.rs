//! A client in another language, which was written from the guide alone.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tests::{Client, Kind, Server, settled};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

fn python() -> Command {
    let mut command = Command::new("python3");
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("protocol/client.py"));
    command.kill_on_drop(true);
    command
}

/// The client, which follows groups and tells what it sees.
struct Foreign {
    _process: Child,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
}

impl Foreign {
    fn start(server: &Server, user: &str, groups: &[&str]) -> Self {
        let base = format!("http://{}/realtime", server.address);
        let mut command = python();
        command.args(["watch", &base, user]).args(groups);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3, which tests/run installs");
        let says = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let hears = process.stdin.take().expect("a pipe");
        Self { _process: process, says, hears }
    }

    async fn says(&mut self) -> Value {
        let line = settled("the client says something", self.says.next_line()).await;
        let line = line.expect("a pipe").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn hear(&mut self, command: &str) {
        self.hears.write_all(format!("{command}\n").as_bytes()).await.expect("a pipe");
    }
}

#[tokio::test]
async fn it_folds_the_cases_as_the_browser_does() {
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/roster.json");
    let output = python().arg("fold").arg(cases).output().await.expect("python3");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.lines().count() >= 5, "{output:?}");
}

#[tokio::test]
async fn it_joins_moves_and_says_goodbye() {
    let server = Server::with_rooms(Duration::from_secs(60)).await;
    let mut foreign = Foreign::start(&server, "7", &["room:1", "room:private"]);
    assert_eq!(foreign.says().await, json!({ "live": "7", "denied": ["room:private"] }));
    assert_eq!(foreign.says().await, json!({ "group": "room:1", "sync": [{ "id": "7" }] }));
    let other = Client::open(&server, Kind::Ws, Some("8"), "room:1,room:2").await;
    assert_eq!(foreign.says().await, json!({ "group": "room:1", "join": { "id": "8" } }));
    foreign.hear("groups room:2").await;
    let mut said = [foreign.says().await, foreign.says().await];
    said.sort_by_key(|said| said["status"].is_null());
    assert_eq!(said[0]["status"], 200, "{said:?}");
    assert_eq!(said[0]["said"]["joined"], json!(["room:2"]));
    assert_eq!(said[0]["said"]["left"], json!(["room:1"]));
    assert_eq!(said[1]["sync"].as_array().map(Vec::len), Some(2), "{said:?}");
    server.realtime.to_user(7).send("mail", &1).await.expect("a valid event");
    let mail = json!({ "channel": "@user:7", "event": "mail", "data": 1 });
    assert_eq!(foreign.says().await, mail);
    other.close(1000).await;
    assert_eq!(foreign.says().await, json!({ "group": "room:2", "leave": { "id": "8" } }));
    foreign.hear("bye").await;
    assert_eq!(foreign.says().await["status"], 200);
    assert_eq!(server.presence().count("room:2").await, Ok(0), "at once, and not after the grace");
}
