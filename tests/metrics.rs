//! The figures that a recorder gets: exactly those of the guide, whatever clients do.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::Future,
    time::Duration,
};

use axum::body::Body;
use http::{Request, StatusCode};
use metrics::set_default_local_recorder;
use metrics_util::{
    MetricKind,
    debugging::{DebugValue, DebuggingRecorder, Snapshotter},
};
use serde_json::{Value, json};
use tests::{Chunks, Client, Kind, Server, Store, call, control, eventually, get};
use umbral_presence::{
    MessageContext, MessageHandler, PresenceSpec, Realtime, RealtimePlugin, ResolveContext, UserId,
    presence,
};

const GUIDE: &str = include_str!("../umbral-presence/docs/observability.md");
const DASHBOARD: &str = include_str!("../examples/lobby/grafana.json");

/// The people in a declared room.
#[presence(prefix = "declared:")]
struct Declared(u64);

/// What one series is: its name and its labels.
type Series = (String, BTreeMap<String, String>);

/// A metric as the guide lists it: its kind, and the names of its labels.
type Listed = BTreeMap<String, (String, BTreeSet<String>)>;

/// Runs a test on one thread, whose recorder is its own.
fn run<F: Future<Output = ()>>(test: impl FnOnce(Snapshotter) -> F) {
    let recorder = DebuggingRecorder::new();
    let _local = set_default_local_recorder(&recorder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test(recorder.snapshotter()));
}

/// What the recorder has got since the last look.
struct Figures(Vec<(MetricKind, Series, Option<String>, DebugValue)>);

impl Figures {
    fn read(snapshotter: &Snapshotter) -> Self {
        let figures = snapshotter.snapshot().into_vec().into_iter();
        let figures = figures.map(|(key, _, description, value)| {
            let (kind, key) = key.into_parts();
            let label = |label: &metrics::Label| (label.key().to_owned(), label.value().to_owned());
            let series = (key.name().to_owned(), key.labels().map(label).collect());
            (kind, series, description.map(|text| text.to_string()), value)
        });
        Self(figures.collect())
    }

    fn series(&self) -> BTreeSet<Series> {
        self.0.iter().map(|(_, series, ..)| series.clone()).collect()
    }

    /// The value of a gauge or a counter, or how many times a histogram has.
    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let is_it = |(found, values): &Series| {
            let has = |(key, value): &(&str, &str)| values.get(*key).is_some_and(|v| v == value);
            found == name && labels.len() == values.len() && labels.iter().all(has)
        };
        let (.., value) = self.0.iter().find(|(_, series, ..)| is_it(series))?;
        Some(match value {
            DebugValue::Counter(count) => *count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(times) => times.len() as f64,
        })
    }
}

/// The table of metrics in the guide.
fn listed() -> Listed {
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `presence_"));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let name = |cell: &str| cell.trim_matches('`').to_owned();
    let rows = rows.map(cells).filter(|cells| cells.len() == 6);
    rows.map(|cells| {
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(name);
        (name(&cells[1]), (cells[2].clone(), labels.collect()))
    })
    .collect()
}

/// Panics, fails or answers as the text says.
struct Handler;

impl MessageHandler for Handler {
    async fn on_message(&self, _: &MessageContext, text: &str) {
        assert!(!text.contains("panic"), "{text}");
    }
}

async fn names(users: Vec<UserId>, _: ResolveContext) -> HashMap<UserId, Value> {
    users.into_iter().map(|user| (user.clone(), json!({ "id": user }))).collect()
}

/// Rooms of three declarations, one of them of the attribute.
fn plugin() -> RealtimePlugin {
    let rooms = PresenceSpec::prefixes(["room:"]);
    let shown = PresenceSpec::prefixes(["shown:"]).resolver(|user| json!({ "id": user }));
    let batched = PresenceSpec::prefixes(["batched:"]).batch_resolver(names);
    Server::plugin()
        .with_presence(rooms.grace(Duration::ZERO))
        .with_presence(shown.grace(Duration::ZERO))
        .with_presence(batched.grace(Duration::ZERO))
        .message_handler(Handler)
}

fn build(plugin: RealtimePlugin) -> Realtime {
    plugin.build().expect("a plugin that can be built")
}

/// What every part of the library does once: both transports, all resolvers, refusals, failures.
async fn work(server: &Server) {
    let realtime = &server.realtime;
    let watcher = Chunks::open(realtime, "watcher", "v=1&groups=room:1,shown:1,batched:1").await;
    let socket = Client::open(server, Kind::WsV1, Some("eve"), "room:1,free:1").await;
    eventually("both are members", || async {
        realtime.presence().count("room:1").await.expect("a group") == 2
            && realtime.presence().count("batched:1").await.expect("a group") == 1
    })
    .await;
    assert_eq!(call(realtime, get("sse?groups=a%20b", None)).await.status(), 400);
    drop((watcher, socket));
    eventually("nobody is left", || async { realtime.health().groups == 0 }).await;
}

#[test]
fn the_guide_lists_each_metric_with_its_kind_and_its_labels_and_no_other() {
    run(async |snapshotter| {
        let store = Store::start().await;
        let server = Server::start(plugin().redis(store.settings())).await;
        work(&server).await;
        server.realtime.report_metrics();
        let figures = Figures::read(&snapshotter);
        let mut found = Listed::new();
        for (kind, (name, labels), description, _) in &figures.0 {
            let kind = match kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            assert!(description.is_some(), "{name} is described");
            let labels: BTreeSet<_> = labels.keys().cloned().collect();
            let known = found.entry(name.clone()).or_insert((kind.to_owned(), labels.clone()));
            assert_eq!(*known, (kind.to_owned(), labels), "{name} is one thing");
        }
        assert_eq!(found, listed());
    });
}

#[test]
fn the_figures_are_those_of_the_server() {
    run(async |snapshotter| {
        let server = Server::start(plugin()).await;
        let realtime = &server.realtime;
        let read = || {
            realtime.report_metrics();
            Figures::read(&snapshotter)
        };
        let place = declaration(&read());
        let of_rooms: &[_] = &[("declaration", place.as_str())];
        let transition = |kind| [("declaration", place.as_str()), ("kind", kind)];
        let open = |figures: &Figures, transport| {
            figures.get("presence_connections", &[("transport", transport)])
        };
        let mut streams = Vec::new();
        for n in 0..3 {
            streams
                .push(Chunks::open(realtime, &format!("user-{n}"), "groups=room:1,free:1").await);
        }
        let socket = Client::open(&server, Kind::WsV1, Some("user-0"), "room:2,room:1").await;
        eventually("all have been told", || async { realtime.counts().transitions == 4 }).await;
        let figures = read();
        assert_eq!((open(&figures, "sse"), open(&figures, "websocket")), (Some(3.0), Some(1.0)));
        assert_eq!(figures.get("presence_opens_total", &[("transport", "sse")]), Some(3.0));
        assert_eq!(figures.get("presence_users", &[]), Some(3.0));
        assert_eq!(figures.get("presence_groups", of_rooms), Some(2.0));
        assert_eq!(figures.get("presence_groups", &[("declaration", "(none)")]), Some(1.0));
        // In `room:2` one of the three once more.
        assert_eq!(figures.get("presence_members", of_rooms), Some(4.0));
        assert_eq!(figures.get("presence_transitions_total", &transition("join")), Some(4.0));
        assert_eq!(figures.get("presence_transitions_total", &transition("leave")), Some(0.0));
        assert_eq!(figures.get("presence_policy_seconds", &[]), Some(8.0), "a question each");
        assert_eq!(figures.get("presence_identity_seconds", &[]), Some(4.0));
        assert_eq!(figures.get("presence_draining", &[]), Some(0.0));
        assert_eq!(figures.get("presence_store_degraded", &[]), None, "there is no store");

        drop((streams, socket));
        eventually("all have left", || async { realtime.health().groups == 0 }).await;
        realtime.drain().await;
        let figures = read();
        assert_eq!((open(&figures, "sse"), open(&figures, "websocket")), (Some(0.0), Some(0.0)));
        assert_eq!(figures.get("presence_groups", of_rooms), Some(0.0));
        assert_eq!(figures.get("presence_members", of_rooms), Some(0.0));
        assert_eq!(figures.get("presence_draining", &[]), Some(1.0));
        let told = |kind| figures.get("presence_transitions_total", &transition(kind));
        let all = [told("join"), told("leave"), told("update")].into_iter().flatten().sum::<f64>();
        assert_eq!(all, realtime.counts().transitions as f64);
    });
}

/// The name of the declaration of `room:` among the figures: its place is the first in the source.
fn declaration(figures: &Figures) -> String {
    let series = figures.series().into_iter();
    let names = series.filter(|(name, _)| name == "presence_members");
    let names = names.filter_map(|(_, labels)| labels.get("declaration").cloned());
    names.min().expect("declarations")
}

#[test]
fn a_declaration_is_named_by_its_struct_or_its_place() {
    run(async |snapshotter| {
        let realtime = build(RealtimePlugin::new().with_presence(PresenceSpec::exact(["one"])));
        realtime.report_metrics();
        let series = Figures::read(&snapshotter).series();
        let named = |name: &str| {
            let labels = BTreeMap::from([("declaration".to_owned(), name.to_owned())]);
            series.contains(&("presence_members".to_owned(), labels))
        };
        assert!(named("metrics::Declared"), "{series:?}");
        let is_place = |(_, labels): &Series| {
            labels.get("declaration").is_some_and(|name| name.starts_with("tests/metrics.rs:"))
        };
        assert!(series.iter().any(is_place), "{series:?}");
        let _ = Declared(1);
    });
}

#[test]
fn a_thousand_groups_add_no_series() {
    run(async |snapshotter| {
        let server = Server::start(plugin()).await;
        work(&server).await;
        server.realtime.report_metrics();
        let before = Figures::read(&snapshotter).series();
        let mut streams = Vec::new();
        for n in 0..50 {
            let rooms: Vec<_> = (0..20).map(|m| format!("room:{n}-{m},other:{n}-{m}")).collect();
            let query = format!("groups={}", rooms.join(","));
            streams.push(Chunks::open(&server.realtime, &format!("user-{n}"), &query).await);
        }
        assert!(server.realtime.health().groups >= 2000);
        server.realtime.report_metrics();
        let figures = Figures::read(&snapshotter);
        assert_eq!(figures.series(), before);
        let place = declaration(&figures);
        assert_eq!(figures.get("presence_groups", &[("declaration", &place)]), Some(1000.0));
        assert_eq!(figures.get("presence_members", &[("declaration", &place)]), Some(1000.0));
    });
}

#[test]
fn no_client_adds_a_series() {
    run(async |snapshotter| {
        let server = Server::start(plugin()).await;
        let realtime = &server.realtime;
        work(&server).await;
        realtime.report_metrics();
        let before = Figures::read(&snapshotter).series();
        for n in 0..20 {
            for path in [
                format!("sse?groups=room:{n}%0a"),
                format!("sse?groups=room:private-{n}"),
                format!("sse?v=x{n}"),
                format!("sse?what{n}=1"),
                format!("ws?groups=room:{n}"),
                format!("members?group=free:{n}"),
                format!("nothing-{n}"),
            ] {
                let answer = call(realtime, get(&path, Some(&format!("user-{n}")))).await;
                assert_ne!(answer.status(), StatusCode::OK, "{path}");
            }
            let refused = call(realtime, get("sse?groups=", Some(&"x".repeat(1000)))).await;
            assert_ne!(refused.status(), StatusCode::OK);
            let origin =
                Request::get("/realtime/sse").header("origin", format!("https://{n}.example"));
            let refused = call(realtime, origin.body(Body::empty()).expect("a request")).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN);
            let body = json!({ "conn": format!("{n}"), "n": n, "groups": [] });
            assert_ne!(control(realtime, "eve", &body).await.0, 200);
        }
        let mut socket = Client::open(&server, Kind::WsV1, Some("eve"), "room:1").await;
        for text in [json!("panic"), json!({ "op": "join", "groups": ["a b"] }), json!(7)] {
            socket.send(&text).await;
        }
        socket.event("@refused").await;
        realtime.report_metrics();
        let figures = Figures::read(&snapshotter);
        assert_eq!(figures.series(), before);
        let refusals = |code| figures.get("presence_refusals_total", &[("code", code)]);
        assert_eq!(refusals("origin"), Some(20.0));
        // Names over HTTP, and one over the WebSocket.
        assert_eq!(refusals("bad_group"), Some(21.0));
        assert_eq!(refusals("denied"), Some(20.0));
    });
}

#[test]
fn a_failure_of_the_application_counts_by_its_function() {
    run(async |snapshotter| {
        let rooms = PresenceSpec::prefixes(["room:"]).resolver(|_| panic!("no name"));
        let plugin = Server::plugin().with_presence(rooms).message_handler(Handler);
        let plugin = plugin.group_policy_fn(|_, group| {
            if group == "bad" { Err(std::io::Error::other("away")) } else { Ok(true) }
        });
        let server = Server::start(plugin).await;
        let realtime = &server.realtime;
        assert_eq!(call(realtime, get("sse?groups=bad", Some("eve"))).await.status(), 503);
        let _stream = Chunks::open(realtime, "adam", "groups=room:1").await;
        let mut socket = Client::open(&server, Kind::WsV1, Some("eve"), "free").await;
        socket.send(&json!("panic")).await;
        let failures = |figures: &Figures, function| {
            figures.get("presence_failures_total", &[("function", function)])
        };
        let mut handler = 0.0;
        let deadline = tokio::time::Instant::now() + tests::DEADLINE;
        let mut all = BTreeMap::new();
        while handler == 0.0 {
            assert!(tokio::time::Instant::now() < deadline, "the handler has failed");
            realtime.report_metrics();
            let figures = Figures::read(&snapshotter);
            for function in ["identity", "policy", "resolver", "handler"] {
                *all.entry(function).or_insert(0.0) +=
                    failures(&figures, function).expect("a series");
            }
            handler = all["handler"];
            tokio::task::yield_now().await;
        }
        let expected = [("identity", 0.0), ("policy", 1.0), ("resolver", 1.0), ("handler", 1.0)];
        assert_eq!(all, BTreeMap::from(expected));
    });
}

#[test]
fn a_store_that_is_away_shows_in_the_figures_and_not_in_readiness() {
    run(async |snapshotter| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = free.local_addr().expect("an address");
        drop(free);
        let realtime = build(plugin().redis(format!("redis://{address}")));
        let _stream = Chunks::open(&realtime, "eve", "groups=room:1").await;
        eventually("it goes on alone", || async { realtime.health().degraded.is_some() }).await;
        assert!(realtime.health().is_ready());
        eventually("time passes", || async { !realtime.health().degraded_for().is_zero() }).await;
        realtime.report_metrics();
        let figures = Figures::read(&snapshotter);
        assert_eq!(figures.get("presence_store_degraded", &[]), Some(1.0));
        assert!(figures.get("presence_store_degraded_seconds", &[]) > Some(0.0));
    });
}

/// The names that begin with `presence_` in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("presence_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let listed = listed();
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<_> = targets.filter_map(|target| target["expr"].as_str()).collect();
    assert!(expressions.len() >= 10);
    let mut asked = BTreeSet::new();
    for expression in expressions {
        let names = names_in(expression);
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            let metric = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                let metric = name.strip_suffix(end)?;
                listed.get(metric).filter(|(kind, _)| kind == "histogram").map(|_| metric)
            });
            let metric = metric.unwrap_or(&name);
            assert!(listed.contains_key(metric), "{name} is no metric: {expression}");
            asked.insert(metric.to_owned());
        }
    }
    let all: BTreeSet<_> = listed.into_keys().collect();
    assert_eq!(all.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new(), "not shown");
}

#[test]
fn the_alerts_of_the_guide_ask_for_metrics_that_there_are() {
    let listed = listed();
    for name in names_in(GUIDE) {
        assert!(listed.contains_key(&name), "{name} is in the guide, and no metric");
    }
}
