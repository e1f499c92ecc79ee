//! A room that tells its subscribers while others come, go and ask again.

use std::collections::BTreeSet;

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::{group::Transition, handle::Watch};

/// What waits for a session.
fn read(session: &Session) -> Vec<Outgoing> {
    std::iter::from_fn(|| session.next().now_or_never()?.ok()).collect()
}

/// The texts of the messages that wait for a session.
fn messages(session: &Session) -> Vec<Value> {
    let text = |outgoing| match outgoing {
        Outgoing::Frames(frames) => {
            let bytes: Vec<u8> = frames.iter().flatten().copied().collect();
            let frame: Value = serde_json::from_slice(&bytes).expect("one frame");
            (frame["event"] == "chat").then(|| frame["data"].clone())
        }
        Outgoing::Piece(piece) => panic!("a small room in pieces: {piece:?}"),
    };
    read(session).into_iter().filter_map(text).collect()
}

fn send(hub: &Hub, text: &str) {
    hub.send(&Whom::Group(room()), "chat", &to_raw_value(&text).expect("a string is JSON"));
}

#[test]
fn everybody_gets_the_messages_of_two_senders_in_one_order() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let readers = ["a", "b"].map(|user| enter(&hub, user));
            let senders = ["one", "other"].map(|text| {
                let hub = hub.clone();
                thread::spawn(move || send(&hub, text))
            });
            senders.into_iter().for_each(|thread| thread.join().expect("no panic"));
            let [one, other] = readers.each_ref().map(messages);
            assert_eq!((one.len(), one), (2, other));
        },
        ORDERS,
    );
}

/// Reads what waits; the witness finds the contradictions.
fn witness(witness: &mut Witness, session: &Session) {
    for outgoing in read(session) {
        match outgoing {
            Outgoing::Frames(frames) => witness.take(&frames),
            Outgoing::Piece(piece) => panic!("a small room in pieces: {piece:?}"),
        }
    }
}

/// Takes in what a watcher inside the application has been told of the members.
fn watch_on(watch: &mut Watch, members: &mut BTreeSet<String>) {
    while let Some(transition) = watch.next().now_or_never() {
        match transition.expect("it does not end") {
            Transition::Sync(all) => *members = all.iter().map(|m| m.id().to_string()).collect(),
            Transition::Join(member) => assert!(members.insert(member.id().to_string())),
            Transition::Leave(member) => assert!(members.remove(member.id().as_str())),
            Transition::Update(member) => assert!(members.contains(member.id().as_str())),
        }
    }
}

#[test]
fn who_leaves_and_returns_while_the_room_is_told_gets_a_snapshot_and_all_that_follows() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let watch = (Watch::new(hub.clone(), &room()), BTreeSet::new());
            let stays = enter(&hub, "stays");
            let fickle = enter(&hub, "fickle");
            let returns = thread::spawn({
                let hub = hub.clone();
                move || {
                    let mut seen = Witness::of(fickle.connection().reader.clone());
                    witness(&mut seen, &fickle);
                    hub.unsubscribe(fickle.connection(), &[room()]);
                    seen.members = None;
                    witness(&mut seen, &fickle);
                    assert!(seen.members.is_none(), "nothing of a room that it has left");
                    fickle.subscribe(&allowed(&hub)).expect("nobody is sent away");
                    witness(&mut seen, &fickle);
                    hub.resync(fickle.connection(), &[room()]);
                    witness(&mut seen, &fickle);
                    (seen, fickle)
                }
            });
            let watches = thread::spawn({
                let hub = hub.clone();
                move || {
                    let mut watch = (Watch::new(hub, &room()), BTreeSet::new());
                    watch_on(&mut watch.0, &mut watch.1);
                    watch
                }
            });
            let others = ["a", "b"].map(|user| {
                let hub = hub.clone();
                thread::spawn(move || drop(enter(&hub, user)))
            });
            others.into_iter().for_each(|thread| thread.join().expect("no panic"));
            let (mut seen, fickle) = returns.join().expect("no contradiction");
            let later = watches.join().expect("no contradiction");
            settle(&hub);
            witness(&mut seen, &fickle);
            let everybody = ["fickle", "stays"];
            assert_eq!(seen.shown(), everybody.map(|id| json!({ "id": id })));
            for (mut watch, mut members) in [watch, later] {
                watch_on(&mut watch, &mut members);
                assert!(members.iter().eq(everybody));
            }
            drop((fickle, stays));
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn a_user_whose_tabs_come_and_go_is_one_user_and_then_nobody() {
    check_random(
        || {
            let hub = hub(Duration::ZERO, 64 * 1024);
            let tabs = [(); 3].map(|()| {
                let hub = hub.clone();
                thread::spawn(move || {
                    let tab = enter(&hub, "7");
                    assert!(hub.contains(&room(), &user("7")));
                    assert_eq!(hub.groups_of(&user("7")), [room()]);
                    drop(tab);
                })
            });
            tabs.into_iter().for_each(|thread| thread.join().expect("no panic"));
            is_empty(&hub);
        },
        ORDERS,
    );
}

#[test]
fn of_graces_that_begin_at_once_as_many_are_left_as_a_user_may_have() {
    check_random(
        || {
            let spec = PresenceSpec::prefixes(["room:"]).grace(Duration::from_secs(600));
            let limits = Limits { graces_per_user: 1, tick: Duration::ZERO, ..Limits::default() };
            let hub = testing::hub([spec], limits);
            let rooms = [room(), testing::group("room:2")];
            let tabs = rooms.clone().map(|room| {
                let verdict = testing::allowed(&hub, [room]);
                open(&hub, "7", &verdict).expect("nobody is sent away")
            });
            let mut threads: Vec<_> =
                tabs.into_iter().map(|tab| thread::spawn(move || drop(tab))).collect();
            threads.push(thread::spawn({
                let hub = hub.clone();
                move || drop(enter(&hub, "7"))
            }));
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            assert_eq!(seats_and_graces(&hub, &user("7")), (1, 1));
            assert_eq!(rooms.iter().map(|room| hub.count(room)).sum::<usize>(), 1);
            hub.disconnect(&user("7"));
            assert_eq!(hub.user_count(), 0);
        },
        ORDERS,
    );
}
