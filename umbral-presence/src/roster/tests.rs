use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::*;

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn conn(id: u64) -> ConnectionId {
    ConnectionId::of(id)
}

fn answer(text: &str, asked: u64) -> Answer {
    Answer { payload: serde_json::value::to_raw_value(text).unwrap(), asked: Asked(asked) }
}

/// A join of a user whose resolver has answered.
fn join(roster: &mut Roster, connection: u64, id: &str, text: &str) -> bool {
    let seated = roster.join(conn(connection), &user(id));
    if !roster.contains(&user(id)) {
        roster.show(&user(id), answer(text, 0));
    }
    seated == Seated::New
}

/// The changes, told as `+1@a`: a join (`-`: a leave, `~`: an update), the member's key, the
/// payload.
fn told(roster: &mut Roster) -> Vec<String> {
    let tell = |change: &Change| {
        let sign = match change {
            Change::Joined(_) => '+',
            Change::Left(_) => '-',
            Change::Updated(_) => '~',
        };
        let member = change.member();
        format!("{sign}{}@{}", member.key(), member.payload().get().trim_matches('"'))
    };
    roster.take_changes(Instant::now()).iter().map(tell).collect()
}

#[test]
fn only_the_first_connection_joins_and_only_the_last_one_leaves() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    assert!(join(&mut roster, 1, "7", "a"));
    assert!(!join(&mut roster, 2, "7", "b"));
    assert_eq!(told(&mut roster), ["+1@a"]);
    assert!(!roster.leave(conn(1), &user("7"), Farewell::Goodbye, now));
    assert_eq!(told(&mut roster), [""; 0]);
    assert!(roster.leave(conn(2), &user("7"), Farewell::Goodbye, now));
    assert_eq!(told(&mut roster), ["-1@a"]);
    assert!(roster.is_empty());
    assert_eq!(roster.version(), 2);
}

#[test]
fn a_join_and_a_leave_before_a_flush_cancel_in_both_orders() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    join(&mut roster, 1, "7", "a");
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert!(roster.is_empty());

    join(&mut roster, 2, "7", "b");
    assert_eq!(told(&mut roster), ["+2@b"]);
    roster.leave(conn(2), &user("7"), Farewell::Goodbye, now);
    assert_eq!(roster.join(conn(3), &user("7")), Seated::Back);
    assert_eq!(told(&mut roster), [""; 0]);
    assert!(roster.contains(&user("7")));
    assert_eq!(roster.now().members()[0].key(), 2);
}

#[test]
fn a_lost_connection_keeps_its_user_until_the_grace_is_over() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    join(&mut roster, 1, "7", "a");
    told(&mut roster);
    assert!(!roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now));
    assert_eq!(roster.deadline(), Some(until));
    assert_eq!(roster.expire(until - Duration::from_millis(1)), []);
    assert_eq!(roster.expire(until), [user("7")]);
    assert_eq!(told(&mut roster), ["-1@a"]);
}

#[test]
fn a_return_within_the_grace_is_silent_and_ends_it() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    join(&mut roster, 1, "7", "a");
    told(&mut roster);
    roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now);
    join(&mut roster, 2, "7", "b");
    assert_eq!(roster.deadline(), None);
    assert_eq!(roster.expire(until), []);
    assert_eq!(told(&mut roster), [""; 0]);
    assert!(roster.leave(conn(2), &user("7"), Farewell::Goodbye, now));
}

#[test]
fn a_goodbye_of_another_tab_does_not_cut_the_grace_of_a_lost_one_short() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    join(&mut roster, 1, "7", "a");
    roster.join(conn(2), &user("7"));
    roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now);
    assert!(!roster.leave(conn(2), &user("7"), Farewell::Goodbye, now));
    assert_eq!(roster.expire(until), [user("7")]);
}

#[test]
fn a_stale_goodbye_removes_nothing_newer() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    join(&mut roster, 1, "7", "a");
    roster.join(conn(2), &user("7"));
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert!(!roster.leave(conn(1), &user("7"), Farewell::Goodbye, now));
    assert!(roster.contains(&user("7")));
}

#[test]
fn a_user_whose_payload_is_missing_is_seated_but_not_shown() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    roster.join(conn(1), &user("7"));
    assert_eq!((roster.count(), roster.has_changes(now)), (0, false));
    assert!(roster.wants_payload(&user("7")));
    join(&mut roster, 2, "7", "a");
    assert_eq!(told(&mut roster), ["+1@a"]);
    roster.leave(conn(2), &user("7"), Farewell::Goodbye, now);
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert_eq!(told(&mut roster), ["-1@a"]);
    assert!(roster.is_empty());
}

#[test]
fn a_user_whose_payload_comes_late_is_shown_then() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    roster.show(&user("7"), answer("a", 0));
    assert!(roster.is_empty());
    roster.join(conn(1), &user("7"));
    roster.show(&user("7"), answer("a", 9));
    roster.show(&user("7"), answer("b", 8));
    assert_eq!(told(&mut roster), ["+1@a"]);
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert_eq!(told(&mut roster), ["-1@a"]);
}

#[test]
fn an_update_keeps_the_key_and_the_answer_that_was_asked_for_last() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    join(&mut roster, 1, "7", "a");
    roster.show(&user("7"), answer("b", 5));
    // Nobody had been told of the first one.
    assert_eq!(told(&mut roster), ["+1@b"]);
    roster.show(&user("7"), answer("old", 4));
    roster.show(&user("7"), answer("b", 6));
    assert!(!roster.has_changes(now));
    roster.show(&user("7"), answer("c", 7));
    roster.show(&user("7"), answer("d", 8));
    assert_eq!(told(&mut roster), ["~1@d"]);
    roster.show(&user("7"), answer("e", 9));
    roster.show(&user("7"), answer("d", 10));
    assert!(!roster.has_changes(now));
    // A leave shows what was told, whatever has changed since.
    roster.show(&user("7"), answer("f", 11));
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert_eq!(told(&mut roster), ["-1@d"]);
    roster.show(&user("7"), answer("g", 12));
    assert!(roster.is_empty());
}

#[test]
fn a_user_who_leaves_and_is_back_at_once_keeps_the_update() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    join(&mut roster, 1, "7", "a");
    told(&mut roster);
    roster.show(&user("7"), answer("b", 1));
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert_eq!(roster.join(conn(2), &user("7")), Seated::Back);
    assert_eq!(roster.count(), 1);
    assert_eq!(told(&mut roster), ["~1@b"]);
}

#[test]
fn an_evicted_user_goes_unless_a_connection_is_left() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    join(&mut roster, 1, "7", "a");
    roster.join(conn(2), &user("7"));
    roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now);
    assert!(!roster.evict(&user("7")));
    assert_eq!(roster.deadline(), None);
    roster.leave(conn(2), &user("7"), Farewell::Lost { until }, now);
    assert!(roster.evict(&user("7")) && roster.is_empty());
    assert!(!roster.evict(&user("7")));
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
    let (mut roster, mut seen) = (Roster::default(), BTreeMap::new());
    let mut open: BTreeMap<u64, UserId> = BTreeMap::new();
    let mut graces: BTreeMap<UserId, Instant> = BTreeMap::new();
    // What is shown of whom; a user who is missing waits for a resolver.
    let mut shown: BTreeMap<UserId, String> = BTreeMap::new();
    for step in 0..200_000_u32 {
        // So far apart that a user who comes and goes is held back now and then, and no more.
        let now = start + STEP * step;
        for gone in roster.expire(now) {
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
                roster.join(conn(id), &somebody);
                open.insert(id, somebody.clone());
                // Back before the leave was told: what was shown is shown again.
                if let Some(member) = roster.seats[&somebody].member.clone() {
                    shown.insert(somebody, member.payload().get().to_owned());
                }
            }
            6..=8 if seated(&somebody) && !shown.contains_key(&somebody) => {
                roster.show(&somebody, answer(&step.to_string(), step.into()));
                shown.insert(somebody, format!("\"{step}\""));
            }
            9..=11 if seated(&somebody) => {
                let payload = next(3).to_string();
                roster.show(&somebody, answer(&payload, step.into()));
                shown.insert(somebody, format!("\"{payload}\""));
            }
            12 => {
                let alone = open.values().all(|other| *other != somebody);
                let grace = graces.remove(&somebody).is_some();
                assert_eq!(roster.evict(&somebody), alone && grace, "step {step}");
            }
            13..=20 if !open.is_empty() => {
                let nth = next(open.len() as u64);
                let id = *open.keys().nth(usize::try_from(nth).unwrap()).unwrap();
                let user = open.remove(&id).unwrap();
                if next(2) == 0 {
                    roster.leave(conn(id), &user, Farewell::Goodbye, now);
                } else {
                    let until = now + STEP * u32::try_from(next(40)).unwrap();
                    roster.leave(conn(id), &user, Farewell::Lost { until }, now);
                    let grace = graces.entry(user).or_insert(until);
                    *grace = until.max(*grace);
                    graces.retain(|_, until| *until > now);
                }
            }
            21..=23 => {
                let tell = |member: &Member| (member.key(), member.payload().get().to_owned());
                let told: BTreeMap<_, _> =
                    roster.told().members().map(|m| (m.id().clone(), tell(m))).collect();
                assert_eq!(told, seen, "step {step}");
                let before = roster.version();
                let changes = roster.take_changes(now);
                assert_eq!(roster.version(), before + changes.len() as u64);
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
                if roster.held_until().is_none() {
                    assert!(payloads.eq(shown.iter()), "step {step}");
                } else {
                    held += 1;
                }
                assert!(!roster.has_changes(now));
                let present = roster.now().members().into_iter();
                let present: BTreeMap<_, _> =
                    present.map(|m| (m.id().clone(), m.payload().get().to_owned())).collect();
                assert_eq!(present, shown, "step {step}");
                assert_eq!(roster.count(), shown.len());
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
    let (mut roster, start) = (Roster::default(), Instant::now());
    let (mut changes, mut last) = (0, String::new());
    // 36 times a second for a minute, told every 25 ms.
    for n in 0..2160_u64 {
        let now = start + Duration::from_millis(28 * n);
        join(&mut roster, n, "7", "a");
        for change in roster.take_changes(now) {
            (changes, last) = (changes + 1, format!("{change:?}"));
        }
        roster.leave(conn(n), &user("7"), Farewell::Goodbye, now);
        for change in roster.take_changes(now) {
            (changes, last) = (changes + 1, format!("{change:?}"));
        }
    }
    assert!((35..=45).contains(&changes), "{changes} of 4,320");
    let end = roster.held_until().unwrap_or(start) + Duration::from_secs(60);
    for change in roster.take_changes(end) {
        last = format!("{change:?}");
    }
    assert!(last.starts_with("Left") && roster.is_empty(), "{last}");
}

#[test]
fn an_older_answer_does_not_replace_a_newer_one_after_a_return() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    join(&mut roster, 1, "7", "a");
    roster.show(&user("7"), answer("new", 6));
    told(&mut roster);
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    roster.join(conn(2), &user("7"));
    roster.show(&user("7"), answer("old", 5));
    assert_eq!(told(&mut roster), [""; 0]);
}
