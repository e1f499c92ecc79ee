//! Two nodes with a store between them, ours and the peer's. Users come to one node or to both, move
//! to the other one and leave, while watchers on both nodes fold their rosters. In the end one node
//! is killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use tests::Store;
use tokio::time::sleep;

use crate::{
    Failure,
    arrivals::Part,
    client::{Client, Room, Transport, Visitor},
    crowd::Crowd,
    leaves::Leaves,
    process::Server,
    redis::listened,
    settings::Settings,
    sheet::{Sheet, say},
    subject::Subject,
};

const USERS: u32 = 300;
const NODES: usize = 2;

/// Watchers on each node who are there before anybody comes. As many come half way through.
const WATCHERS: u32 = 3;

/// The users come in so many parts, and each part has moved or left before the next but one comes.
const WAVES: u32 = 10;

/// A user who moves is connected to both nodes for so long.
const BOTH: Duration = Duration::from_millis(100);

/// If a wrong frame is still to come, it comes within this time.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// The users of a dead node have so long to go.
const GONE_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let users = settings.connections.unwrap_or(USERS);
    for _ in 0..settings.rounds {
        let mut pairs = Vec::new();
        for subject in settings.beside(None) {
            let mut pair = Pair::start(subject, settings).await?;
            pair.visit(users).await?;
            let settled = pair.settle().await;
            pair.compare(&format!("two nodes, {users} users"), sheet)?;
            settled?;
            pairs.push(pair);
        }
        // Both at once, since there is nothing to do but to wait.
        for pair in &mut pairs {
            pair.kill().await?;
        }
        for pair in &mut pairs {
            pair.outlive(sheet).await?;
        }
    }
    Ok(())
}

/// Two nodes, and everybody who is connected to them.
struct Pair {
    subject: Subject,
    // Kept, because it ends when it is dropped.
    _store: Store,
    nodes: Vec<Server>,
    hosts: Vec<SocketAddr>,
    crowd: Crowd,
    watchers: Vec<Watcher>,
    /// What the watchers of each node have been told.
    leaves: [Arc<Leaves>; NODES],
    /// When the last connection of a user was closed.
    closed: BTreeMap<u32, Instant>,
    died: Instant,
}

#[derive(Clone, Copy)]
struct Watcher {
    user: u32,
    node: usize,
    is_late: bool,
}

/// What a watcher shows wrongly.
struct Difference {
    watcher: Watcher,
    missed: Vec<u32>,
    absent: Vec<u32>,
}

impl Pair {
    async fn start(subject: Subject, settings: &Settings) -> Result<Self, Failure> {
        let store = Store::start().await;
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(Server::start_on(&store.url(), subject, settings).await?);
        }
        listened(&store, subject, NODES).await?;
        let hosts: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let crowd = Crowd::new(subject, hosts[0]);
        Ok(Self {
            subject,
            _store: store,
            nodes,
            hosts,
            crowd,
            watchers: Vec::new(),
            leaves: Default::default(),
            closed: BTreeMap::new(),
            died: Instant::now(),
        })
    }

    /// Everybody comes, moves and leaves as is planned.
    async fn visit(&mut self, users: u32) -> Result<(), Failure> {
        self.watch(users, false);
        self.crowd.opened().await?;
        let wave = |n: u32| users * n.min(WAVES) / WAVES..users * (n + 1).min(WAVES) / WAVES;
        for n in 0..=WAVES {
            for user in wave(n) {
                for node in homes(user) {
                    self.open(user, node);
                }
            }
            let before = n.checked_sub(1).map_or(0..0, wave);
            for (user, node) in movers(before.clone()) {
                self.open(user, 1 - node);
            }
            if n == WAVES / 2 {
                self.watch(users + u32::try_from(self.watchers.len())?, true);
            }
            self.crowd.opened().await?;
            sleep(BOTH).await;
            for (user, node) in movers(before.clone()) {
                self.close(user, node);
            }
            for user in before {
                for node in leaves_from(user) {
                    self.close(user, node);
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, first: u32, is_late: bool) {
        for (user, node) in (first..).zip((0..NODES).cycle()).take(NODES * WATCHERS as usize) {
            self.crowd.takes_part(Part::Watcher(self.leaves[node].clone()));
            self.open(user, node);
            self.watchers.push(Watcher { user, node, is_late });
        }
        self.crowd.takes_part(Part::None);
    }

    fn open(&mut self, user: u32, node: usize) {
        self.crowd.goes_to(self.hosts[node]);
        let (room, transport) = (Room::Plain(0), Transport::Sse);
        self.crowd.open([Visitor { user: Some(user), room, transport }]);
    }

    fn close(&mut self, user: u32, node: usize) {
        let now = Instant::now();
        if self.crowd.close(user, self.hosts[node]) {
            self.closed.insert(user, now);
        }
    }

    /// Waits until all rosters are right and stay so. Those of the peer need not be.
    async fn settle(&self) -> Result<(), Failure> {
        self.crowd.settle().await?;
        sleep(AFTERWARDS).await;
        self.crowd.settle().await?;
        Ok(())
    }

    /// What each watcher shows wrongly.
    fn differences(&self) -> Vec<Difference> {
        let truth = self.crowd.truth();
        let truth: BTreeSet<u32> = truth.values().flatten().copied().collect();
        let of = |client: &Client| {
            let user = client.visitor.user?;
            let watcher = self.watchers.iter().find(|watcher| watcher.user == user)?;
            let shown: BTreeSet<u32> = client.seen().stream.roster.users().into_iter().collect();
            Some(Difference {
                watcher: *watcher,
                missed: truth.difference(&shown).copied().collect(),
                absent: shown.difference(&truth).copied().collect(),
            })
        };
        self.crowd.clients.iter().filter_map(of).collect()
    }

    /// Notes what is wrong on each node. A wrong leave of ours is a failure.
    fn compare(&self, name: &str, sheet: &mut Sheet) -> Result<(), Failure> {
        let (subject, all) = (self.subject, self.differences());
        for node in 0..NODES {
            let name = format!("{name}: node {}", node + 1);
            let of: Vec<_> = all.iter().filter(|one| one.watcher.node == node).collect();
            let wrong: Vec<_> =
                of.iter().filter(|one| one.missed.len() + one.absent.len() > 0).collect();
            let rosters = format!("{name}: watchers with a wrong roster, of {}", of.len());
            sheet.wrong(&rosters, subject, wrong.len());
            for (is_late, who) in [(false, "a first watcher"), (true, "a later one")] {
                let those = of.iter().filter(|one| one.watcher.is_late == is_late);
                let mean = mean(those.map(|one| one.missed.len()));
                sheet.mean(&format!("{name}: users whom {who} misses"), subject, mean);
            }
            let absent = mean(of.iter().map(|one| one.absent.len()));
            sheet.mean(&format!("{name}: absent users whom a watcher shows"), subject, absent);
            let leaves = self.leaves[node].wrong(&self.closed);
            let told = format!("{name}: leaves of connected users, told to a watcher");
            sheet.mean(&told, subject, share(leaves.len(), of.len()));
            if subject != Subject::Peer {
                for Difference { watcher, missed, absent } in wrong {
                    let user = watcher.user;
                    say(&format!("watcher {user} misses {missed:?} and shows {absent:?}"));
                }
                if !leaves.is_empty() {
                    return Err(
                        format!("{name}: {leaves:?} are connected, and told to leave").into()
                    );
                }
            }
        }
        Ok(())
    }

    /// Kills the first node, whose users are connected no more.
    async fn kill(&mut self) -> Result<(), Failure> {
        self.nodes.remove(0).stop().await?;
        self.died = Instant::now();
        let before = self.crowd.truth();
        self.crowd.clients.retain(|client| client.host != self.hosts[0]);
        let stay: BTreeSet<u32> = self.crowd.truth().into_values().flatten().collect();
        let gone = before.into_values().flatten().filter(|user| !stay.contains(user));
        self.closed.extend(gone.map(|user| (user, self.died)));
        Ok(())
    }

    /// Notes how many users of the dead node the watchers of the other one show in the end.
    async fn outlive(&mut self, sheet: &mut Sheet) -> Result<(), Failure> {
        let died = self.closed.values().filter(|at| **at == self.died).count();
        let shown = loop {
            let absent = self.differences().into_iter().map(|one| one.absent.len());
            let shown = mean(absent);
            if shown == 0.0 || self.died.elapsed() > GONE_WITHIN {
                break shown;
            }
            sleep(BOTH).await;
        };
        let took = self.died.elapsed();
        sheet.wrong("a node is killed: users who were connected to it alone", self.subject, died);
        let name = format!("a node is killed: of these shown after {} s", GONE_WITHIN.as_secs());
        sheet.mean(&name, self.subject, shown);
        if shown == 0.0 {
            sheet.time("a node is killed: until they are gone", self.subject, took);
        }
        if self.subject == Subject::Peer {
            return Ok(());
        }
        let leaves = self.leaves[1].wrong(&self.closed);
        if !leaves.is_empty() {
            return Err(format!("{leaves:?} are on the other node, and told to leave").into());
        }
        self.settle().await
    }
}

/// To which nodes a user comes: to the first, to the second, or to both.
fn homes(user: u32) -> Range<usize> {
    match user % 3 {
        0 => 0..1,
        1 => 1..2,
        _ => 0..2,
    }
}

/// Those of `users` who move to the other node, with the node that they come from.
fn movers(users: Range<u32>) -> impl Iterator<Item = (u32, usize)> {
    let moves = |user: &u32| user / 3 % 4 == 1 && homes(*user).len() == 1;
    users.filter(moves).map(|user| (user, homes(user).start))
}

/// The nodes that a user leaves: all of them, or one of two.
fn leaves_from(user: u32) -> Range<usize> {
    match (user / 3 % 4, homes(user)) {
        (1, homes) if homes.len() > 1 => 0..1,
        (2, homes) => homes,
        _ => 0..0,
    }
}

fn mean(counts: impl Iterator<Item = usize>) -> f64 {
    let (sum, count) = counts.fold((0, 0), |(sum, count), next| (sum + next, count + 1));
    share(sum, count)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn share(sum: usize, count: usize) -> f64 {
    sum as f64 / count.max(1) as f64
}
