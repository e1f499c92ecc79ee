//! A stream that is read, and all that must hold of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{Client, Fold, Frame, Kind, Random, settled};
use tokio::time::timeout_at;

use crate::world::{ROOMS, World};

/// How often a client with `v=1` shows that it is there.
const PROOF_OF_LIFE: Duration = Duration::from_secs(15);

pub(crate) struct Reader {
    pub(crate) client: Client,
    pub(crate) kind: Kind,
    pub(crate) user: Option<String>,
    /// The groups that it is in, by what it has asked for.
    groups: BTreeSet<String>,
    rosters: BTreeMap<String, Fold>,
    /// How often each group was joined, less the leaves that have been confirmed.
    joined: BTreeMap<String, usize>,
    /// Whether it is to miss nothing.
    keeps_up: bool,
    token: Option<String>,
    calls: u64,
    proven: Instant,
    /// The number of each group's last message.
    heard: BTreeMap<String, u64>,
    /// Groups joined once more, of which messages passed meanwhile.
    absent: BTreeSet<String>,
    /// Messages not seen, and those that it was told of.
    unheard: u64,
    missed: u64,
    pub(crate) snapshots: usize,
    marks: BTreeSet<String>,
}

impl Reader {
    /// One that keeps up, or one that may fall behind.
    pub(crate) async fn open(
        world: &World,
        kind: Kind,
        user: Option<&str>,
        groups: &[&str],
        keeps_up: bool,
    ) -> Result<Self, u16> {
        let client = world.open(kind, user, &groups.join(",")).await?;
        let groups: BTreeSet<String> = groups.iter().map(|&group| group.to_owned()).collect();
        Ok(Self {
            client,
            kind,
            user: user.map(str::to_owned),
            joined: groups.iter().map(|group| (group.clone(), 1)).collect(),
            groups,
            rosters: BTreeMap::new(),
            keeps_up,
            token: None,
            calls: 0,
            proven: Instant::now(),
            heard: BTreeMap::new(),
            absent: BTreeSet::new(),
            unheard: 0,
            missed: 0,
            snapshots: 0,
            marks: BTreeSet::new(),
        })
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// How often each user was seen to leave.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (&str, usize)> {
        let rosters = self.rosters.values();
        rosters.flat_map(|roster| roster.leaves.iter().map(|(user, n)| (user.as_str(), *n)))
    }

    /// Reads for a while, and shows that it is there where that is due.
    pub(crate) async fn read_for(&mut self, world: &World, time: Duration) {
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(frame) = timeout_at(deadline, self.client.read()).await {
            let Some(frame) = frame else {
                panic!("{:?} {:?}: the server has ended the stream", self.kind, self.user);
            };
            self.take(world, &frame);
        }
        if self.proven.elapsed() > PROOF_OF_LIFE {
            self.set_groups(world, self.groups.clone(), &[]).await;
        }
    }

    pub(crate) async fn read_to_the_mark(&mut self, world: &World) {
        let rooms = ROOMS.iter().filter(|room| self.is_in(room)).count();
        while self.marks.len() < rooms {
            let frame = settled("the mark", self.client.read()).await;
            self.take(world, &frame.expect("a stream that does not end by itself"));
        }
    }

    /// Panics where a roster is not the truth.
    pub(crate) fn agrees_with(&self, truth: &BTreeMap<&'static str, BTreeSet<String>>) {
        for (room, users) in truth.iter().filter(|(room, _)| self.is_in(room)) {
            let roster = &self.rosters[*room];
            let (kind, user) = (self.kind, &self.user);
            assert!(roster.ids().iter().eq(users), "{kind:?} {user:?}: {roster:?}, not {users:?}");
        }
    }

    /// Joins, leaves or asks for a snapshot, as its transport lets it. Says whether it does.
    pub(crate) async fn change_groups(&mut self, world: &World, random: &mut Random) -> bool {
        let room = random.pick(&ROOMS);
        let again = self.is_in(room) && random.below(3) == 0;
        if self.kind.is_sse() {
            if self.token.is_none() {
                return false;
            }
            let mut groups = self.groups.clone();
            if !again && !groups.remove(room) {
                groups.insert(room.to_owned());
            }
            let sync: &[&str] = if again { &[room] } else { &[] };
            self.set_groups(world, groups, sync).await;
            return true;
        }
        let op = if again {
            if let Some(roster) = self.rosters.get_mut(room) {
                roster.expect_snapshot();
            } else {
                // Whether the first one is on its way is not known.
                return false;
            }
            "sync"
        } else if self.groups.remove(room) {
            "leave"
        } else {
            self.groups.insert(room.to_owned());
            *self.joined.entry(room.to_owned()).or_default() += 1;
            "join"
        };
        self.client.send(&json!({ "op": op, "groups": [room] })).await;
        true
    }

    /// A `control` call of a stream that has its token.
    async fn set_groups(&mut self, world: &World, groups: BTreeSet<String>, sync: &[&str]) {
        self.proven = Instant::now();
        let Some(token) = &self.token else {
            return;
        };
        self.calls += 1;
        let body = json!({ "conn": token, "n": self.calls, "groups": groups, "sync": sync });
        for group in groups.difference(&self.groups) {
            let times = self.joined.entry(group.clone()).or_default();
            if *times > 0 {
                // News from before may still be under way.
                self.absent.insert(group.clone());
                let roster = self.rosters.entry(group.clone());
                roster.or_insert_with(|| Fold::kept_up(group)).expect_snapshot();
            }
            *times += 1;
        }
        for group in sync {
            let roster = self.rosters.entry((*group).to_owned());
            roster.or_insert_with(|| Fold::kept_up(group)).expect_snapshot();
        }
        let (status, answer, _) = world.control(self.user.as_deref(), &body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["n"], json!(self.calls));
        assert_eq!(answer["denied"], json!([]));
        let joined: BTreeSet<String> =
            serde_json::from_value(answer["joined"].clone()).expect("names");
        assert_eq!(joined, groups.difference(&self.groups).cloned().collect());
        self.groups = groups;
    }

    fn take(&mut self, world: &World, frame: &Frame) {
        world.counted.frames.count();
        let data = &frame.data;
        match frame.event.as_str() {
            "@hello" => self.token = data["conn"].as_str().map(str::to_owned),
            "@left" => {
                for group in data["groups"].as_array().expect("a list") {
                    let group = group.as_str().expect("a name");
                    *self.joined.get_mut(group).expect("a group that was joined") -= 1;
                    self.rosters.remove(group);
                    self.heard.remove(group);
                }
            }
            "@joined" => {}
            "@lagged" => {
                assert!(!self.keeps_up, "a reader that keeps up lags: {data}");
                self.missed += data["missed"].as_u64().expect("a number");
            }
            "mark" => {
                self.marks.insert(frame.channel.clone());
            }
            "chat" => self.hear(&frame.channel, data["n"].as_u64().expect("a number")),
            event => {
                assert!(event.starts_with("presence:"), "{frame:?}");
                let joined = self.joined.get(&frame.channel).is_some_and(|&times| times > 0);
                assert!(joined, "news of a group that it is not in: {frame:?}");
                let group = &frame.channel;
                let roster = self.rosters.entry(group.clone()).or_insert_with(|| {
                    if self.keeps_up { Fold::kept_up(group) } else { Fold::of(group) }
                });
                let before = roster.syncs;
                roster.take(frame);
                self.snapshots += roster.syncs - before;
            }
        }
    }

    /// Messages are numbered: none may be missing that was not reported.
    fn hear(&mut self, group: &str, number: u64) {
        let Some(before) = self.heard.insert(group.to_owned(), number) else {
            return;
        };
        assert!(number > before, "{number} of {group} after {before}");
        if number > before + 1 && !self.absent.remove(group) {
            self.unheard += number - before - 1;
            assert!(self.unheard <= self.missed, "{group}: {number} after {before}");
        }
    }
}
