//! Threads that use a hub at once, in thousands of orders: who may go on is decided by the
//! test at every lock. A wake-up that is lost shows as a deadlock.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json, value::to_raw_value};
use shuttle::{check_random, future::block_on, sync::mpsc, thread};

use super::{
    Hub, Moment, NotOpened, Outgoing, Session, Subject, Verdict,
    alarms::Due,
    testing::{self, room, user},
};
use crate::{
    clock::now, connection::End, group::testing::Witness, limits::Limits, name::UserId,
    spec::PresenceSpec, store::whom::Whom, wakes::Wakes, wire::Transport,
};

mod telling;

/// How many orders each test goes through.
const ORDERS: usize = 2000;

fn hub(grace: Duration, outbox_bytes: usize) -> Arc<Hub> {
    let spec = PresenceSpec::prefixes(["room:"]).grace(grace);
    let limits = Limits { outbox_bytes, tick: Duration::ZERO, ..Limits::default() };
    testing::hub([spec], limits)
}

/// A session that a verdict opens, if it still holds.
fn open(hub: &Arc<Hub>, id: &str, verdict: &Verdict) -> Result<Session, NotOpened> {
    testing::open(hub, id, Transport::WebSocket, verdict)
}

/// The policy, asked now, allows the room.
fn allowed(hub: &Hub) -> Verdict {
    testing::allowed(hub, [room()])
}

fn asked_at(asked: Moment) -> Verdict {
    Verdict { asked, allowed: vec![room()], ..Verdict::default() }
}

/// A session in the room.
fn enter(hub: &Arc<Hub>, user: &str) -> Session {
    open(hub, user, &allowed(hub)).expect("nobody is sent away here")
}

/// A session in the room, what it has been shown each time that it was told something, and
/// the thread that reads it.
struct Watcher {
    session: Arc<Session>,
    shown: mpsc::Receiver<Vec<Value>>,
    reading: thread::JoinHandle<Witness>,
}

impl Watcher {
    fn enter(hub: &Arc<Hub>) -> Self {
        let session = Arc::new(enter(hub, "watcher"));
        let (tell, shown) = mpsc::channel();
        let reading = thread::spawn({
            let session = session.clone();
            move || {
                let mut reader = Witness::of(session.connection().reader.clone());
                while let Ok(Outgoing::Frames(frames)) = block_on(session.next()) {
                    reader.take(&frames);
                    // Who watches may have seen enough.
                    let _ = tell.send(reader.shown());
                }
                reader
            }
        });
        Self { session, shown, reading }
    }

    /// Tells what is due and waits until these are shown, which is for ever where a wake-up is
    /// lost; then leaves.
    fn ends_up_with(self, hub: &Hub, users: &[&str]) -> Witness {
        settle(hub);
        let expected: Vec<Value> = users.iter().map(|id| json!({ "id": id })).collect();
        while self.shown.recv().expect("the reader goes on") != expected {}
        Wakes::default().add(self.session.connection().outbox().end(End::Draining));
        self.reading.join().expect("the reader finds no contradiction")
    }
}

/// What the alarm does, until nothing is due.
fn settle(hub: &Hub) {
    let late = now() + Duration::from_secs(3600);
    while let Some(true) = hub.with_group(&room(), |group| group.is_dirty(late)) {
        wake(hub);
    }
}

fn wake(hub: &Hub) {
    if let Some(cell) = hub.groups.get(&room()) {
        hub.wake(&cell);
    }
}

/// How many seats a user has, and how many graces are counted.
fn seats_and_graces(hub: &Hub, user: &UserId) -> (usize, usize) {
    let user = hub.users.get(user);
    user.map_or((0, 0), |user| (user.seats().len(), user.lock().graces()))
}

/// Nothing is left behind.
fn is_empty(hub: &Hub) {
    settle(hub);
    assert_eq!((hub.open_connections(), hub.group_count(), hub.user_count()), (0, 0, 0));
    assert_eq!(hub.connections.len(), 0);
}

#[test]
fn joins_leaves_and_flushes_end_in_the_truth() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let watcher = Watcher::enter(&hub);
            let stays = Arc::new(enter(&hub, "stays"));
            let threads = [
                thread::spawn({
                    let hub = hub.clone();
                    move || drop(enter(&hub, "comes"))
                }),
                thread::spawn({
                    let hub = hub.clone();
                    move || {
                        let session = enter(&hub, "returns");
                        hub.unsubscribe(session.connection(), &[room()]);
                        session.subscribe(&allowed(&hub)).expect("nobody is");
                        drop(session);
                    }
                }),
                thread::spawn({
                    let (hub, stays) = (hub.clone(), stays.clone());
                    // A second connection of somebody who is there.
                    move || {
                        let second = enter(&hub, "stays");
                        wake(&hub);
                        drop((second, stays));
                    }
                }),
            ];
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            watcher.ends_up_with(&hub, &["stays", "watcher"]);
            drop(stays);
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn a_reader_whose_outbox_overflows_ends_up_with_the_truth() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 400);
            let watcher = Watcher::enter(&hub);
            let threads = ["a", "b"].map(|user| {
                let hub = hub.clone();
                thread::spawn(move || {
                    let first = enter(&hub, user);
                    hub.resync(first.connection(), &[room()]);
                    let text = "x".repeat(150);
                    hub.send(&Whom::Group(room()), "chat", &to_raw_value(&text).unwrap());
                    hub.unsubscribe(first.connection(), &[room()]);
                    first.subscribe(&allowed(&hub)).expect("nobody is");
                    first
                })
            });
            let sessions = threads.map(|thread| thread.join().expect("no panic"));
            watcher.ends_up_with(&hub, &["a", "b", "watcher"]);
            drop(sessions);
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn who_is_back_within_the_grace_has_never_left() {
    check_random(
        || {
            let hub = hub(Duration::from_secs(600), 64 * 1024);
            let watcher = Watcher::enter(&hub);
            let first = enter(&hub, "reloads");
            let old = thread::spawn(move || drop(first));
            let new = thread::spawn({
                let hub = hub.clone();
                move || enter(&hub, "reloads")
            });
            let new = new.join().expect("no panic");
            old.join().expect("no panic");
            watcher.ends_up_with(&hub, &["reloads", "watcher"]);
            assert_eq!(hub.counts().transitions, 2, "two joins and no leave");
            drop(new);
            assert_eq!(hub.open_connections(), 0);
        },
        ORDERS,
    );
}

#[test]
fn a_grace_is_counted_for_as_long_as_there_is_one() {
    check_random(
        || {
            let hub = hub(Duration::from_secs(600), 64 * 1024);
            let user = user("7");
            let (first, second) = (enter(&hub, "7"), enter(&hub, "7"));
            let breaks_off = thread::spawn(move || drop(first));
            let says_goodbye = thread::spawn(move || {
                let mut second = second;
                second.say_goodbye();
            });
            let is_back = thread::spawn({
                let hub = hub.clone();
                move || drop(enter(&hub, "7"))
            });
            for thread in [breaks_off, says_goodbye, is_back] {
                thread.join().expect("no panic");
            }
            assert_eq!(seats_and_graces(&hub, &user), (1, 1));
            let back = enter(&hub, "7");
            assert_eq!(seats_and_graces(&hub, &user), (1, 0));
            let breaks_off = thread::spawn(move || drop(back));
            hub.disconnect(&user);
            breaks_off.join().expect("no panic");
            assert_eq!(seats_and_graces(&hub, &user), (0, 0));
            is_empty(&hub);
        },
        ORDERS,
    );
}

/// A join locks the user and then the group; the end of a grace is found under the lock of the
/// group, and the user is told of it.
#[test]
fn a_user_who_comes_back_while_the_grace_ends_has_one_seat() {
    check_random(
        || {
            let hub = hub(Duration::from_nanos(1), 64 * 1024);
            let user = user("7");
            let watcher = Watcher::enter(&hub);
            let first = enter(&hub, "7");
            let lost = thread::spawn(move || drop(first));
            let ends = thread::spawn({
                let hub = hub.clone();
                move || wake(&hub)
            });
            let tabs = [(); 2].map(|()| {
                let hub = hub.clone();
                thread::spawn(move || enter(&hub, "7"))
            });
            for thread in [lost, ends] {
                thread.join().expect("no panic");
            }
            let tabs = tabs.map(|thread| thread.join().expect("no panic"));
            assert_eq!(seats_and_graces(&hub, &user), (1, 0));
            watcher.ends_up_with(&hub, &["7", "watcher"]);
            drop(tabs);
            wake(&hub);
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn who_is_sent_away_during_the_handshake_is_nowhere() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let user = user("7");
            let asked = hub.revocations.now();
            let away = thread::spawn({
                let (hub, user) = (hub.clone(), user.clone());
                move || hub.disconnect(&user)
            });
            thread::yield_now();
            // Either it is never registered, or it is ended afterwards.
            let session = open(&hub, "7", &asked_at(asked));
            away.join().expect("no panic");
            assert!(!hub.contains(&room(), &user));
            if let Ok(session) = &session {
                assert_eq!(session.connection().groups(), []);
            }
            drop(session);
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn a_room_that_is_forgotten_while_somebody_enters_is_one_room() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let leaves = thread::spawn({
                let hub = hub.clone();
                move || drop(enter(&hub, "leaves"))
            });
            let stay = ["a", "b"].map(|user| {
                let hub = hub.clone();
                thread::spawn(move || enter(&hub, user))
            });
            leaves.join().expect("no panic");
            let sessions = stay.map(|thread| thread.join().expect("no panic"));
            let mut users: Vec<_> =
                hub.members(&room()).iter().map(|member| member.id().to_string()).collect();
            users.sort_unstable();
            assert_eq!(users, ["a", "b"]);
            drop(sessions);
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn who_loses_the_right_while_the_connection_breaks_off_is_gone() {
    check_random(
        || {
            let hub = hub(Duration::from_secs(600), 64 * 1024);
            let user = user("7");
            let session = enter(&hub, "7");
            let lost = thread::spawn(move || drop(session));
            hub.revocations.revoke(Subject::User(&user));
            let asked = hub.revocations.now();
            let names: Vec<_> = hub.reach_of(&user).into_iter().map(|name| (name, asked)).collect();
            hub.ban(&user, &names);
            lost.join().expect("no panic");
            assert!(!hub.contains(&room(), &user));
        },
        ORDERS,
    );
}

#[test]
fn who_is_sent_away_while_the_connection_breaks_off_is_gone() {
    check_random(
        || {
            let hub = hub(Duration::from_secs(600), 64 * 1024);
            let user = user("7");
            let session = enter(&hub, "7");
            let lost = thread::spawn(move || drop(session));
            hub.disconnect(&user);
            lost.join().expect("no panic");
            assert!(!hub.contains(&room(), &user));
        },
        ORDERS,
    );
}

#[test]
fn a_late_no_takes_nobody_out_whom_a_newer_yes_has_let_in() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let user = user("7");
            let no = [(room(), hub.revocations.now())];
            let yes = allowed(&hub);
            let late = thread::spawn({
                let (hub, user) = (hub.clone(), user.clone());
                move || hub.ban(&user, &no)
            });
            let session = open(&hub, "7", &yes).expect("nobody is sent away");
            late.join().expect("no panic");
            assert_eq!(session.connection().groups(), [room()]);
            drop(session);
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn who_enters_while_a_room_is_closed_is_asked_again_or_found() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let asked = hub.revocations.now();
            let closing = thread::spawn({
                let hub = hub.clone();
                move || {
                    hub.revocations.revoke(Subject::Group(&room()));
                    let no = hub.revocations.now();
                    for user in hub.users_in(&room()) {
                        hub.ban(&user, &[(room(), no)]);
                    }
                }
            });
            let session = open(&hub, "7", &asked_at(asked));
            closing.join().expect("no panic");
            assert_eq!(session.map_or(Vec::new(), |session| session.connection().groups()), []);
            is_empty(&hub);
        },
        ORDERS,
    );
}
