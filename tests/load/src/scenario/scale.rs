//! The same application on one node, on two, four and eight, with a store between them and as many
//! members on each: what each node and the store take for a change, what they hold, and what they
//! say to each other where nothing changes.

use std::time::{Duration, Instant};

use tests::Store;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    Failure,
    client::{Room, Transport, Visitor},
    crowd::Crowd,
    picture,
    process::Server,
    redis::{Info, listened, memory, stored},
    settings::Settings,
    sheet::Sheet,
    subject::Subject,
};

const SIZES: [u32; 4] = [1, 2, 4, 8];

/// Members of each node.
const MEMBERS: u32 = 1000;

/// Changes of each node.
const CHANGES: u32 = 250;

/// Members of a room, who are spread over all nodes.
const ROOM: u32 = 20;

/// So often one leaves each node and another one comes.
const PAUSE: Duration = Duration::from_millis(40);

/// Nothing changes for so long: a node is heard three times in it.
const REST: Duration = Duration::from_millis(7500);

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    for _ in 0..settings.rounds {
        for nodes in SIZES {
            measure(nodes, settings, sheet).await?;
        }
    }
    if let Some(file) = &settings.picture {
        let panels = FIGURES.map(|(title, unit, scale)| {
            let of = |nodes| {
                let value = sheet.median(&row(nodes, title), Subject::Ours).unwrap_or_default();
                (nodes, value / scale)
            };
            picture::Panel { title, unit, points: SIZES.map(of).to_vec() }
        });
        std::fs::write(file, picture::draw("nodes", &panels))?;
    }
    Ok(())
}

/// What is measured: the name of the row, and the unit of the picture in that of the sheet.
const FIGURES: [(&str, &str, f64); 6] = [
    ("CPU of the nodes for a change", "µs", 1e-6),
    ("CPU of Redis for a change", "µs", 1e-6),
    ("messages to each node", "in a second", 1.0),
    ("bytes to each node in a second", "KiB", 1024.0),
    ("memory of Redis for a member", "bytes", 1.0),
    ("requests of a node at rest", "in a second", 1.0),
];

fn row(nodes: u32, title: &str) -> String {
    let plural = if nodes == 1 { "" } else { "s" };
    format!("{nodes} node{plural}: {title}")
}

/// What has been taken so far.
struct Taken {
    at: Instant,
    nodes: Duration,
    store: Info,
}

/// Nodes, and their store.
struct Cluster {
    store: Store,
    nodes: Vec<Server>,
}

impl Cluster {
    async fn start(nodes: u32, settings: &Settings) -> Result<Self, Failure> {
        let (store, mut servers) = (Store::start().await, Vec::new());
        for _ in 0..nodes {
            servers.push(Server::start_on(&store.url(), Subject::Ours, settings).await?);
        }
        listened(&store, Subject::Ours, servers.len()).await?;
        Ok(Self { store, nodes: servers })
    }

    async fn taken(&self) -> Result<Taken, Failure> {
        let mut nodes = Duration::ZERO;
        for node in &self.nodes {
            nodes += node.usage.cpu()?;
        }
        Ok(Taken { at: Instant::now(), nodes, store: Info::of(&self.store).await })
    }
}

async fn measure(nodes: u32, settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let members = settings.connections.unwrap_or(MEMBERS);
    let changes = settings.changes.unwrap_or(CHANGES).div_ceil(2);
    let cluster = Cluster::start(nodes, settings).await?;
    let hosts: Vec<_> = cluster.nodes.iter().map(|node| node.address).collect();
    let mut crowd = Crowd::new(Subject::Ours, hosts[0]);
    // Those of one node at a time, who are as they would be if they had come in any order.
    for (node, host) in (0..).zip(&hosts) {
        crowd.goes_to(*host);
        crowd.open((0..members).map(|n| n * nodes + node).map(|user| visitor(user, user)));
    }
    crowd.settle().await?;
    stored(&cluster.store, members * nodes).await?;
    let held = memory(&cluster.store).await? / u64::from(members * nodes);

    let begin = cluster.taken().await?;
    sleep(REST).await;
    let rested = cluster.taken().await?;
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0..changes {
        pace.tick().await;
        for (node, host) in (0..).zip(&hosts) {
            // Wherever they are: neither the oldest nor the newest all the time.
            let leaves = n * 7919 % members * nodes + node;
            crowd.close(leaves, *host);
            crowd.goes_to(*host);
            let comes = (members + n) * nodes + node;
            crowd.open([visitor(comes, leaves)]);
        }
    }
    crowd.settle().await?;
    let end = cluster.taken().await?;

    let (rest, time) = (rested.at - begin.at, end.at - rested.at);
    // Without what is taken where nothing changes.
    let all = 2 * changes * nodes;
    let own = |taken: Duration, at_rest: Duration| {
        taken.saturating_sub(at_rest.mul_f64(time.as_secs_f64() / rest.as_secs_f64())) / all
    };
    let (first, second, third) = (&begin.store, &rested.store, &end.store);
    let mut titles = FIGURES.iter().map(|(title, ..)| row(nodes, title));
    let mut next = || titles.next().unwrap_or_default();
    let ours = Subject::Ours;
    sheet.time(&next(), ours, own(end.nodes - rested.nodes, rested.nodes - begin.nodes));
    let (rests, changes) = (second.cpu()? - first.cpu()?, third.cpu()? - second.cpu()?);
    sheet.time(&next(), ours, own(changes, rests));
    sheet.rate(&next(), ours, third.calls("publish")? - second.calls("publish")?, time);
    // Without the answer to this program.
    let bytes = third.sent()?.0 - second.sent()?.1;
    let millis = u64::try_from(time.as_millis())?.max(1);
    sheet.bytes(&next(), ours, bytes * 1000 / millis / u64::from(nodes));
    sheet.bytes(&next(), ours, held);
    let requests = second.calls("evalsha")? - first.calls("evalsha")?;
    sheet.rate(&next(), ours, requests.div_ceil(nodes), rest);
    Ok(())
}

/// A user in the room that another user is in or was.
fn visitor(user: u32, other: u32) -> Visitor {
    Visitor { user: Some(user), room: Room::Plain(other / ROOM), transport: Transport::Sse }
}
