use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Roster, Seated};
use crate::{
    name::{ConnectionId, UserId},
    roster::{Answer, Asked, Change, Farewell, Member, Payload, SeatId},
};

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn conn(id: u64) -> ConnectionId {
    ConnectionId::of(id)
}

fn answer(text: &str, asked: u64) -> Answer {
    let payload = Payload::Json(serde_json::value::to_raw_value(text).unwrap().into());
    Answer { payload, asked: Asked(asked) }
}

/// A roster whose seats are found by their users.
#[derive(Default)]
struct Room {
    roster: Roster,
    seats: BTreeMap<UserId, SeatId>,
}

impl Room {
    fn join(&mut self, connection: u64, id: &str) -> Seated {
        let (seat, seated) =
            self.roster.join(self.seats.get(&user(id)).copied(), conn(connection), &user(id));
        self.seats.insert(user(id), seat);
        seated
    }

    /// A join of a user whose resolver has answered. Says whether the user is new.
    fn enter(&mut self, connection: u64, id: &str, text: &str) -> bool {
        let seated = self.join(connection, id);
        if !self.contains(id) {
            self.show(id, answer(text, 0));
        }
        seated == Seated::New
    }

    fn show(&mut self, id: &str, answer: Answer) {
        if let Some(seat) = self.seats.get(&user(id)) {
            self.roster.show(*seat, answer);
        }
    }

    fn leave(&mut self, connection: u64, id: &str, farewell: Farewell, now: Instant) -> bool {
        let seat = self.seats.get(&user(id));
        seat.is_some_and(|seat| self.roster.leave(*seat, conn(connection), farewell, now))
    }

    fn goodbye(&mut self, connection: u64, id: &str) -> bool {
        self.leave(connection, id, Farewell::Goodbye, Instant::now())
    }

    fn expire(&mut self, now: Instant) -> Vec<UserId> {
        self.roster.expire(now).into_iter().map(|(user, _)| user).collect()
    }

    fn evict(&mut self, id: &str) -> bool {
        self.seats.get(&user(id)).is_some_and(|seat| self.roster.evict(*seat))
    }

    fn contains(&self, id: &str) -> bool {
        self.seats.get(&user(id)).is_some_and(|seat| self.roster.is_shown(*seat))
    }
}

/// The changes, told as `+1@a`: a join (`-`: a leave, `~`: an update), the member's key, the
/// payload.
fn told(room: &mut Room) -> Vec<String> {
    let tell = |change: &Change| {
        let sign = match change {
            Change::Joined(_) => '+',
            Change::Left(_) => '-',
            Change::Updated(_) => '~',
        };
        let member = change.member();
        format!("{sign}{}@{}", member.key(), member.payload().get().trim_matches('"'))
    };
    room.roster.view.take_changes(Instant::now()).iter().map(tell).collect()
}

#[test]
fn only_the_first_connection_joins_and_only_the_last_one_leaves() {
    let mut room = Room::default();
    assert!(room.enter(1, "7", "a"));
    assert!(!room.enter(2, "7", "b"));
    assert_eq!(told(&mut room), ["+1@a"]);
    assert!(!room.goodbye(1, "7"));
    assert_eq!(told(&mut room), [""; 0]);
    assert!(room.goodbye(2, "7"));
    assert_eq!(told(&mut room), ["-1@a"]);
    assert!(room.roster.is_empty());
    assert_eq!(room.roster.view.version(), 2);
}

#[test]
fn a_join_and_a_leave_before_a_flush_cancel_in_both_orders() {
    let mut room = Room::default();
    room.enter(1, "7", "a");
    room.goodbye(1, "7");
    assert!(room.roster.is_empty());

    room.enter(2, "7", "b");
    assert_eq!(told(&mut room), ["+2@b"]);
    room.goodbye(2, "7");
    assert_eq!(room.join(3, "7"), Seated::Back);
    assert_eq!(told(&mut room), [""; 0]);
    assert!(room.contains("7"));
    assert_eq!(room.roster.view.now().members()[0].key(), 2);
}

#[test]
fn a_lost_connection_keeps_its_user_until_the_grace_is_over() {
    let (mut room, now) = (Room::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    room.enter(1, "7", "a");
    told(&mut room);
    assert!(!room.leave(1, "7", Farewell::BrokenOff { until }, now));
    assert_eq!(room.roster.deadline(), Some(until));
    assert_eq!(room.expire(until - Duration::from_millis(1)), []);
    assert_eq!(room.expire(until), [user("7")]);
    assert_eq!(told(&mut room), ["-1@a"]);
}

#[test]
fn a_return_within_the_grace_is_silent_and_ends_it() {
    let (mut room, now) = (Room::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    room.enter(1, "7", "a");
    told(&mut room);
    room.leave(1, "7", Farewell::BrokenOff { until }, now);
    room.enter(2, "7", "b");
    assert_eq!(room.roster.deadline(), None);
    assert_eq!(room.expire(until), []);
    assert_eq!(told(&mut room), [""; 0]);
    assert!(room.goodbye(2, "7"));
}

#[test]
fn a_goodbye_of_another_tab_does_not_cut_the_grace_of_a_lost_one_short() {
    let (mut room, now) = (Room::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    room.enter(1, "7", "a");
    room.join(2, "7");
    room.leave(1, "7", Farewell::BrokenOff { until }, now);
    assert!(!room.goodbye(2, "7"));
    assert_eq!(room.expire(until), [user("7")]);
}

#[test]
fn a_stale_goodbye_removes_nothing_newer() {
    let mut room = Room::default();
    room.enter(1, "7", "a");
    room.join(2, "7");
    room.goodbye(1, "7");
    assert!(!room.goodbye(1, "7"));
    assert!(room.contains("7"));
}

#[test]
fn a_user_whose_payload_is_missing_is_seated_but_not_shown() {
    let (mut room, now) = (Room::default(), Instant::now());
    room.join(1, "7");
    assert_eq!((room.roster.view.count(), room.roster.view.has_changes(now)), (0, false));
    assert!(!room.contains("7"));
    room.enter(2, "7", "a");
    assert_eq!(told(&mut room), ["+1@a"]);
    room.goodbye(2, "7");
    room.goodbye(1, "7");
    assert_eq!(told(&mut room), ["-1@a"]);
    assert!(room.roster.is_empty());
}

#[test]
fn a_user_whose_payload_comes_late_is_shown_then() {
    let mut room = Room::default();
    room.show("7", answer("a", 0));
    assert!(room.roster.is_empty());
    room.join(1, "7");
    room.show("7", answer("a", 9));
    room.show("7", answer("b", 8));
    assert_eq!(told(&mut room), ["+1@a"]);
    room.goodbye(1, "7");
    assert_eq!(told(&mut room), ["-1@a"]);
}

#[test]
fn an_update_keeps_the_key_and_the_answer_that_was_asked_for_last() {
    let (mut room, now) = (Room::default(), Instant::now());
    room.enter(1, "7", "a");
    room.show("7", answer("b", 5));
    // Nobody had been told of the first one.
    assert_eq!(told(&mut room), ["+1@b"]);
    room.show("7", answer("old", 4));
    room.show("7", answer("b", 6));
    assert!(!room.roster.view.has_changes(now));
    room.show("7", answer("c", 7));
    room.show("7", answer("d", 8));
    assert_eq!(told(&mut room), ["~1@d"]);
    room.show("7", answer("e", 9));
    room.show("7", answer("d", 10));
    assert!(!room.roster.view.has_changes(now));
    // A leave shows what was told, whatever has changed since.
    room.show("7", answer("f", 11));
    room.goodbye(1, "7");
    assert_eq!(told(&mut room), ["-1@d"]);
    room.show("7", answer("g", 12));
    assert!(room.roster.is_empty());
}

#[test]
fn a_user_who_leaves_and_is_back_at_once_keeps_the_update() {
    let mut room = Room::default();
    room.enter(1, "7", "a");
    told(&mut room);
    room.show("7", answer("b", 1));
    room.goodbye(1, "7");
    assert_eq!(room.join(2, "7"), Seated::Back);
    assert_eq!(room.roster.view.count(), 1);
    assert_eq!(told(&mut room), ["~1@b"]);
}

#[test]
fn an_evicted_user_goes_unless_a_connection_is_left() {
    let (mut room, now) = (Room::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    room.enter(1, "7", "a");
    room.join(2, "7");
    room.leave(1, "7", Farewell::BrokenOff { until }, now);
    assert!(!room.evict("7"));
    assert_eq!(room.roster.deadline(), None);
    room.leave(2, "7", Farewell::BrokenOff { until }, now);
    assert!(room.evict("7") && room.roster.is_empty());
    assert!(!room.evict("7"));
}

/// Long random histories against the plainest model there is: what a subscriber folds
/// from the changes is always what is shown of the users with a connection or a grace.
#[test]
fn what_was_told_adds_up_to_the_truth() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    const STEP: Duration = Duration::from_millis(8);
    let (start, mut held) = (Instant::now(), 0);
    let (mut room, mut seen) = (Room::default(), BTreeMap::new());
    let mut open: BTreeMap<u64, UserId> = BTreeMap::new();
    let mut graces: BTreeMap<UserId, Instant> = BTreeMap::new();
    // What is shown of whom; a user who is missing waits for a resolver.
    let mut shown: BTreeMap<UserId, String> = BTreeMap::new();
    for step in 0..200_000_u32 {
        // So far apart that a user who comes and goes is held back now and then, and no more.
        let now = start + STEP * step;
        for gone in room.expire(now) {
            assert!(graces.remove(&gone).is_some_and(|until| until <= now));
        }
        graces.retain(|_, until| *until > now);
        let somebody = user(&next(20).to_string());
        let seated = |user: &UserId| open.values().any(|u| u == user) || graces.contains_key(user);
        shown.retain(|user, _| seated(user));
        match next(24) {
            0..=5 => {
                graces.remove(&somebody);
                let id = u64::from(step);
                room.join(id, somebody.as_str());
                open.insert(id, somebody.clone());
                // Back before the leave was told: what was shown is shown again.
                if let Some(member) = room.roster.member(room.seats[&somebody]) {
                    shown.insert(somebody, member.payload().get().to_owned());
                }
            }
            6..=8 if seated(&somebody) && !shown.contains_key(&somebody) => {
                room.show(somebody.as_str(), answer(&step.to_string(), step.into()));
                shown.insert(somebody, format!("\"{step}\""));
            }
            9..=11 if seated(&somebody) => {
                let payload = next(3).to_string();
                room.show(somebody.as_str(), answer(&payload, step.into()));
                shown.insert(somebody, format!("\"{payload}\""));
            }
            12 => {
                let alone = open.values().all(|other| *other != somebody);
                let grace = graces.remove(&somebody).is_some();
                assert_eq!(room.evict(somebody.as_str()), alone && grace, "step {step}");
            }
            13..=20 if !open.is_empty() => {
                let nth = next(open.len() as u64);
                let id = *open.keys().nth(usize::try_from(nth).unwrap()).unwrap();
                let user = open.remove(&id).unwrap();
                if next(2) == 0 {
                    room.leave(id, user.as_str(), Farewell::Goodbye, now);
                } else {
                    let until = now + STEP * u32::try_from(next(40)).unwrap();
                    room.leave(id, user.as_str(), Farewell::BrokenOff { until }, now);
                    let grace = graces.entry(user).or_insert(until);
                    *grace = until.max(*grace);
                    graces.retain(|_, until| *until > now);
                }
            }
            21..=23 => {
                let tell = |member: &Member| (member.key(), member.payload().get().to_owned());
                let told: BTreeMap<_, _> =
                    room.roster.view.told().members().map(|m| (m.id().clone(), tell(m))).collect();
                assert_eq!(told, seen, "step {step}");
                let before = room.roster.view.version();
                let changes = room.roster.view.take_changes(now);
                assert_eq!(room.roster.view.version(), before + changes.len() as u64);
                for change in changes {
                    let (id, now) = (change.member().id().clone(), tell(change.member()));
                    match change {
                        Change::Joined(_) => assert_eq!(seen.insert(id, now), None),
                        Change::Left(_) => assert_eq!(seen.remove(&id), Some(now)),
                        Change::Updated(_) => {
                            let before = seen.insert(id, now.clone()).unwrap();
                            assert!(before.0 == now.0 && before.1 != now.1, "step {step}");
                        }
                    }
                }
                let payloads = seen.iter().map(|(id, (_, payload))| (id, payload));
                if room.roster.view.held_until().is_none() {
                    assert!(payloads.eq(shown.iter()), "step {step}");
                } else {
                    held += 1;
                }
                assert!(!room.roster.view.has_changes(now));
                let present = room.roster.view.now().members().into_iter();
                let present: BTreeMap<_, _> =
                    present.map(|m| (m.id().clone(), m.payload().get().to_owned())).collect();
                assert_eq!(present, shown, "step {step}");
                assert_eq!(room.roster.view.count(), shown.len());
            }
            _ => {}
        }
        let seated = |user: &UserId| open.values().any(|u| u == user) || graces.contains_key(user);
        shown.retain(|user, _| seated(user));
    }
    assert!((100..10_000).contains(&held), "{held} of about 25,000");
}

#[test]
fn a_user_who_comes_and_goes_without_end_is_told_now_and_then_and_rightly_in_the_end() {
    let (mut room, start) = (Room::default(), Instant::now());
    let (mut changes, mut last) = (0, String::new());
    // 36 times a second for a minute, told every 25 ms.
    for n in 0..2160_u64 {
        let now = start + Duration::from_millis(28 * n);
        room.enter(n, "7", "a");
        for change in room.roster.view.take_changes(now) {
            (changes, last) = (changes + 1, format!("{change:?}"));
        }
        room.goodbye(n, "7");
        for change in room.roster.view.take_changes(now) {
            (changes, last) = (changes + 1, format!("{change:?}"));
        }
    }
    assert!((35..=45).contains(&changes), "{changes} of 4,320");
    let end = room.roster.view.held_until().unwrap_or(start) + Duration::from_secs(60);
    for change in room.roster.view.take_changes(end) {
        last = format!("{change:?}");
    }
    assert!(last.starts_with("Left") && room.roster.is_empty(), "{last}");
}

#[test]
fn an_older_answer_does_not_replace_a_newer_one_after_a_return() {
    let mut room = Room::default();
    room.enter(1, "7", "a");
    room.show("7", answer("new", 6));
    told(&mut room);
    room.goodbye(1, "7");
    room.join(2, "7");
    room.show("7", answer("old", 5));
    assert_eq!(told(&mut room), [""; 0]);
}
