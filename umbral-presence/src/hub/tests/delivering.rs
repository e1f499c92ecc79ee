//! Telling so many that a task does it, or that others come and go meanwhile.

use serde_json::json;
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use super::*;
use crate::{group::testing::Witness, wire::Piece};

/// So many that a task tells them.
const MANY: usize = 2100;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// A room of many who have read everything.
async fn crowd(hub: &Arc<Hub>) -> Vec<Session> {
    let members: Vec<_> = (0..MANY).map(|n| enter(hub, &format!("member-{n}"))).collect();
    sleep(LONG).await;
    members.iter().for_each(|member| drop(read(member)));
    members
}

/// How many frames wait for the first and for the last one.
fn told(members: &[Session]) -> [usize; 2] {
    [&members[0], &members[MANY - 1]].map(|member| read(member).len())
}

#[test]
fn a_runtime_that_ends_before_its_task_has_begun_leaves_nothing_untold() {
    let hub = hub();
    let before = runtime();
    let members = before.block_on(crowd(&hub));
    let newcomer = {
        let _runtime = before.enter();
        enter(&hub, "newcomer")
    };
    assert_eq!(told(&members), [0, 0], "the task has not begun");
    drop(before);
    assert_eq!((told(&members), read(&newcomer).len()), ([1, 1], 1));
    let other = runtime();
    other.block_on(async {
        sleep(LONG).await;
        let another = enter(&hub, "another");
        sleep(LONG).await;
        assert_eq!((told(&members), read(&another).len()), ([1, 1], 1), "the room goes on");
        drop((members, newcomer, another));
        sleep(LONG).await;
        assert_eq!((hub.group_count(), hub.user_count()), (0, 0));
    });
}

#[test]
fn a_grace_that_a_runtime_has_taken_along_is_over_in_the_next_one() {
    let long = PresenceSpec::prefixes(["room:"]).grace(Duration::from_secs(20));
    let hub = hub_of(long);
    runtime().block_on(async { drop(enter(&hub, "7")) });
    assert!(hub.contains(&room(), &user("7")));
    runtime().block_on(async {
        // Somebody who has nothing to do with it.
        let _other = enter_as(&hub, "8");
        sleep(Duration::from_secs(21)).await;
        assert_eq!((hub.group_count(), hub.user_count()), (0, 1));
    });
}

/// A session in the room that reads, and what it has made of it.
struct Reader {
    session: Session,
    witness: Witness,
    /// The pieces of a large snapshot.
    pieces: Vec<u8>,
}

impl Reader {
    fn enter(hub: &Arc<Hub>, id: &str) -> Self {
        let session = enter(hub, id);
        let witness = Witness::of(session.connection().reader.clone());
        Self { session, witness, pieces: Vec::new() }
    }

    /// Reads what waits; the witness finds the contradictions.
    fn read(&mut self) {
        while let Some(Ok(outgoing)) = self.session.next().now_or_never() {
            match outgoing {
                Outgoing::Frames(frames) => self.witness.take(&frames),
                Outgoing::Piece(Piece { bytes, is_last }) => {
                    self.pieces.extend_from_slice(&bytes);
                    if is_last {
                        let whole = bytes::Bytes::from(std::mem::take(&mut self.pieces));
                        self.witness.take(&whole.into());
                    }
                }
            }
        }
    }

    fn leave(&mut self, hub: &Hub) {
        hub.unsubscribe(self.session.connection(), &[room()]);
        // What is under way still comes, and nothing else.
        self.read();
        self.witness.members = None;
        self.read();
        assert!(self.witness.members.is_none(), "nothing of a room that it has left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_room_of_many_is_told_the_truth_while_others_come_and_go() {
    let hub = hub_of(PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO));
    let crowd: Vec<_> = (0..MANY).map(|n| enter(&hub, &format!("member-{n}"))).collect();
    let mut watch = Watch::new(hub.clone(), &room());
    let readers = (0..4).map(|n| {
        let hub = hub.clone();
        tokio::spawn(async move {
            let mut reader = Reader::enter(&hub, &format!("reader-{n}"));
            for round in 0..30 {
                match (round + n) % 8 {
                    // Not so often that it is told at a slower pace.
                    0 => {
                        reader.leave(&hub);
                        come_in(&hub, &reader.session);
                    }
                    2 | 5 => hub.resync(reader.session.connection(), &[room()]),
                    _ => {}
                }
                reader.read();
                sleep(Duration::from_millis(7)).await;
                reader.read();
            }
            reader
        })
    });
    let others = (0..4).map(|n| {
        let hub = hub.clone();
        tokio::spawn(async move {
            for round in 0..60 {
                let other = enter(&hub, &format!("other-{n}-{round}"));
                sleep(Duration::from_millis(3)).await;
                drop(other);
            }
        })
    });
    let (readers, others): (Vec<_>, Vec<_>) = (readers.collect(), others.collect());
    for other in others {
        other.await.expect("no panic");
    }
    let mut read = Vec::new();
    for reader in readers {
        read.push(reader.await.expect("no contradiction"));
    }
    let deadline = Instant::now() + LONG;
    while hub.is_telling(&room()) {
        assert!(Instant::now() < deadline, "the room is told in the end");
        sleep(Duration::from_millis(5)).await;
    }
    let mut members: Vec<_> =
        hub.members(&room()).iter().map(|m| json!({ "id": m.id() })).collect();
    assert_eq!(members.len(), MANY + 4);
    members.sort_by_key(ToString::to_string);
    for reader in &mut read {
        reader.read();
        assert!(reader.witness.shown() == members);
    }
    let mut seen = HashSet::new();
    while let Some(Some(transition)) = watch.next().now_or_never() {
        match transition {
            Transition::Sync(all) => seen = all.iter().map(|m| m.id().clone()).collect(),
            Transition::Join(member) => assert!(seen.insert(member.id().clone())),
            Transition::Leave(member) => assert!(seen.remove(member.id())),
            Transition::Update(_) => panic!("nobody is shown in another way"),
        }
    }
    assert_eq!(seen.len(), MANY + 4);
    drop((crowd, read));
}
