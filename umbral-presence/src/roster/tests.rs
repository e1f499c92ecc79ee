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

fn payload(text: &str) -> Option<Box<RawValue>> {
    Some(serde_json::value::to_raw_value(text).unwrap())
}

/// The changes, told as `+1@a`: a join, the member's key, the payload.
fn told(roster: &mut Roster) -> Vec<String> {
    let tell = |change: &Change| {
        let sign = if matches!(change, Change::Joined(_)) { '+' } else { '-' };
        let member = change.member();
        format!("{sign}{}@{}", member.key(), member.payload().get().trim_matches('"'))
    };
    roster.take_changes().iter().map(tell).collect()
}

#[test]
fn only_the_first_connection_joins_and_only_the_last_one_leaves() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    assert!(roster.join(conn(1), &user("7"), payload("a")));
    assert!(!roster.join(conn(2), &user("7"), payload("b")));
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
    roster.join(conn(1), &user("7"), payload("a"));
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert!(roster.is_empty());

    roster.join(conn(2), &user("7"), payload("b"));
    assert_eq!(told(&mut roster), ["+2@b"]);
    roster.leave(conn(2), &user("7"), Farewell::Goodbye, now);
    assert!(!roster.wants_payload(&user("7")));
    roster.join(conn(3), &user("7"), None);
    assert_eq!(told(&mut roster), [""; 0]);
    assert!(roster.contains(&user("7")));
    assert_eq!(roster.members()[0].key(), 2);
}

#[test]
fn a_lost_connection_keeps_its_user_until_the_grace_is_over() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    roster.join(conn(1), &user("7"), payload("a"));
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
    roster.join(conn(1), &user("7"), payload("a"));
    told(&mut roster);
    roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now);
    roster.join(conn(2), &user("7"), payload("b"));
    assert_eq!(roster.deadline(), None);
    assert_eq!(roster.expire(until), []);
    assert_eq!(told(&mut roster), [""; 0]);
    assert!(roster.leave(conn(2), &user("7"), Farewell::Goodbye, now));
}

#[test]
fn a_goodbye_of_another_tab_does_not_cut_the_grace_of_a_lost_one_short() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    roster.join(conn(1), &user("7"), payload("a"));
    roster.join(conn(2), &user("7"), None);
    roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now);
    assert!(!roster.leave(conn(2), &user("7"), Farewell::Goodbye, now));
    assert_eq!(roster.expire(until), [user("7")]);
}

#[test]
fn a_stale_goodbye_removes_nothing_newer() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    roster.join(conn(1), &user("7"), payload("a"));
    roster.join(conn(2), &user("7"), None);
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert!(!roster.leave(conn(1), &user("7"), Farewell::Goodbye, now));
    assert!(roster.contains(&user("7")));
}

#[test]
fn a_user_whose_payload_is_missing_is_seated_but_not_shown() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    roster.join(conn(1), &user("7"), None);
    assert_eq!((roster.count(), roster.has_changes()), (0, false));
    assert!(roster.wants_payload(&user("7")));
    roster.join(conn(2), &user("7"), payload("a"));
    assert_eq!(told(&mut roster), ["+1@a"]);
    roster.leave(conn(2), &user("7"), Farewell::Goodbye, now);
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert_eq!(told(&mut roster), ["-1@a"]);
    assert!(roster.is_empty());
}

#[test]
fn a_user_whose_payload_comes_late_is_shown_then() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    roster.show(&user("7"), payload("a").unwrap());
    assert!(roster.is_empty());
    roster.join(conn(1), &user("7"), None);
    roster.show(&user("7"), payload("a").unwrap());
    roster.show(&user("7"), payload("b").unwrap());
    assert_eq!(told(&mut roster), ["+1@a"]);
    roster.leave(conn(1), &user("7"), Farewell::Goodbye, now);
    assert_eq!(told(&mut roster), ["-1@a"]);
}

#[test]
fn an_evicted_user_goes_unless_a_connection_is_left() {
    let (mut roster, now) = (Roster::default(), Instant::now());
    let until = now + Duration::from_secs(3);
    roster.join(conn(1), &user("7"), payload("a"));
    roster.join(conn(2), &user("7"), None);
    roster.leave(conn(1), &user("7"), Farewell::Lost { until }, now);
    assert!(!roster.evict(&user("7")));
    assert_eq!(roster.deadline(), None);
    roster.leave(conn(2), &user("7"), Farewell::Lost { until }, now);
    assert!(roster.evict(&user("7")) && roster.is_empty());
    assert!(!roster.evict(&user("7")));
}

/// Long random histories against the plainest model there is: what a subscriber folds
/// from the changes is always the set of users with a connection or a grace.
#[test]
fn what_was_told_adds_up_to_the_truth() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let start = Instant::now();
    let (mut roster, mut seen) = (Roster::default(), BTreeMap::new());
    let mut open: BTreeMap<u64, UserId> = BTreeMap::new();
    let mut graces: BTreeMap<UserId, Instant> = BTreeMap::new();
    for step in 0..200_000 {
        let now = start + Duration::from_millis(step);
        if next(16) == 0 {
            let user = user(&next(20).to_string());
            let alone = open.values().all(|other| *other != user);
            let seated = graces.remove(&user).is_some();
            assert_eq!(roster.evict(&user), alone && seated, "step {step}");
        }
        for gone in roster.expire(now) {
            assert!(graces.remove(&gone).is_some_and(|until| until <= now));
        }
        graces.retain(|_, until| *until > now);
        match next(8) {
            0..=2 => {
                let user = user(&next(20).to_string());
                roster.join(conn(step), &user, payload(user.as_str()));
                graces.remove(&user);
                open.insert(step, user);
            }
            3..=6 if !open.is_empty() => {
                let nth = next(open.len() as u64);
                let id = *open.keys().nth(usize::try_from(nth).unwrap()).unwrap();
                let user = open.remove(&id).unwrap();
                if next(2) == 0 {
                    roster.leave(conn(id), &user, Farewell::Goodbye, now);
                } else {
                    let until = now + Duration::from_millis(next(40));
                    roster.leave(conn(id), &user, Farewell::Lost { until }, now);
                    let grace = graces.entry(user).or_insert(until);
                    *grace = until.max(*grace);
                    graces.retain(|_, until| *until > now);
                }
            }
            _ => {
                let before = roster.version();
                let told: BTreeMap<_, _> =
                    roster.told().iter().map(|m| (m.id().clone(), m.key())).collect();
                assert_eq!(told, seen, "step {step}");
                let changes = roster.take_changes();
                assert_eq!(roster.version(), before + changes.len() as u64);
                for change in changes {
                    let member = change.member();
                    match change {
                        Change::Joined(_) => {
                            assert_eq!(seen.insert(member.id().clone(), member.key()), None);
                        }
                        Change::Left(_) => assert_eq!(seen.remove(member.id()), Some(member.key())),
                    }
                }
                let mut truth: Vec<_> = open.values().chain(graces.keys()).cloned().collect();
                truth.sort();
                truth.dedup();
                assert!(seen.keys().eq(truth.iter()), "step {step}");
                assert_eq!(roster.count(), truth.len());
            }
        }
    }
}
