use super::{
    check::{MIN_HEAD_BYTES, NAMES_OF_A_MESSAGE},
    *,
};
use crate::name::MAX_GROUP_NAME_BYTES;

type Change = fn(&mut Limits);

#[test]
fn limits_that_cannot_work_together_are_refused_with_both_and_what_would_do() {
    let cases: &[(Change, &[&str])] = &[
        (
            |limits| limits.outbox_bytes = 4096,
            &[
                "outbox_bytes is 4096 and groups_per_connection is 100",
                "at least 47724, or groups_per_connection at most 6",
                "outbox_bytes is 4096 and payload_bytes is 8192",
                "at least 9216, or payload_bytes at most 3072",
            ],
        ),
        (
            |limits| limits.groups_per_connection = 10_000,
            &["outbox_bytes is 262144 and groups_per_connection is 10000", "at most 559"],
        ),
        (
            |limits| limits.groups_per_connection = usize::MAX,
            &["outbox_bytes is 262144 and groups_per_connection is"],
        ),
        (
            |limits| limits.payload_bytes = 1 << 20,
            &["payload_bytes is 1048576", "at least 1049600, or payload_bytes at most 261120"],
        ),
        (
            |limits| (limits.message_bytes, limits.groups_per_connection) = (1 << 20, 3000),
            &["outbox_bytes is 262144 and groups_per_connection is 3000"],
        ),
        (
            |limits| limits.message_bytes = 4096,
            &[
                "message_bytes is 4096 and groups_per_connection is 100",
                "at least 32304, or groups_per_connection at most 10",
            ],
        ),
        (|limits| limits.head_bytes = 8191, &["head_bytes is 8191", "at least 8192"]),
        (|limits| limits.message_bytes = 511, &["message_bytes is 511", "at least 512"]),
        (|limits| limits.message_bytes = 1 << 20, &["inbound_bytes_per_second is 262144"]),
        (|limits| limits.policy_timeout = Duration::MAX, &["policy_timeout", "at most 60s"]),
        (|limits| limits.resolver_timeout = Duration::from_secs(61), &["resolver_timeout"]),
    ];
    for (change, parts) in cases {
        let mut limits = Limits::default();
        change(&mut limits);
        let problems: Vec<_> = limits.problems().iter().map(ToString::to_string).collect();
        for part in *parts {
            assert!(problems.iter().any(|text| text.contains(part)), "{part}: {problems:#?}");
        }
    }
}

#[test]
fn what_a_refusal_says_would_do_does() {
    let cases: &[Change] = &[
        |limits| (limits.outbox_bytes, limits.payload_bytes) = (47_724, 8192),
        |limits| {
            (limits.outbox_bytes, limits.groups_per_connection, limits.payload_bytes) =
                (4096, 6, 3072);
        },
        |limits| limits.groups_per_connection = 559,
        |limits| limits.groups_per_connection = 1000,
        |limits| limits.payload_bytes = 261_120,
        |limits| limits.message_bytes = 32_304,
        |limits| (limits.message_bytes, limits.groups_per_connection) = (4096, 10),
        |limits| (limits.message_bytes, limits.groups_per_connection) = (512, 1),
        |limits| limits.head_bytes = 8192,
        |limits| limits.connections = 1,
        |limits| limits.connections = usize::MAX,
        |limits| limits.anonymous = Some(0),
        |limits| limits.tick = Duration::ZERO,
    ];
    for (i, change) in cases.iter().enumerate() {
        let mut limits = Limits::default();
        change(&mut limits);
        let problems: Vec<_> = limits.problems().iter().map(ToString::to_string).collect();
        assert_eq!(problems, [""; 0], "case {i}");
    }
}

#[test]
fn every_limit_of_none_at_all_is_refused_by_itself() {
    let none = Limits {
        connections: 0,
        connections_per_user: 0,
        connections_per_address: 0,
        opens_per_user: 0,
        opens_per_address: 0,
        graces_per_user: 0,
        members_per_second: 0,
        groups_per_connection: 0,
        outbox_bytes: 0,
        message_bytes: 0,
        messages_per_second: 0,
        inbound_bytes_per_second: 0,
        control_per_second: 0,
        payload_bytes: 0,
        policy_timeout: Duration::ZERO,
        head_bytes: 0,
        recheck_bytes: 0,
        resolver_timeout: Duration::ZERO,
        drain_window: Duration::ZERO,
        tick: Duration::ZERO,
        anonymous: Some(0),
    };
    let problems: Vec<_> = none.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 17, "{problems:#?}");
    assert!(problems.iter().all(|text| text.contains("is 0, so nothing")), "{problems:#?}");
}

#[test]
fn the_clients_messages_are_what_is_reckoned_with() {
    let client = include_str!("../../client/ws.js");
    assert!(client.contains(&format!("const MOST_NAMES = {NAMES_OF_A_MESSAGE};")));
    let client = include_str!("../../client/worker.js");
    let url = 10 * (3 * MAX_GROUP_NAME_BYTES + 3) + 100;
    assert!(client.contains("groups.splice(0, 10)") && url < MIN_HEAD_BYTES - 1024);
}

#[test]
fn a_limit_that_another_one_makes_idle_is_warned_of() {
    let warned = |limits: Limits| limits.warnings().join("; ");
    assert_eq!(warned(Limits::default()), "");
    let few = warned(Limits { connections: 50, ..Limits::default() });
    assert!(few.contains("connections_per_user is 100 and connections is 50"), "{few}");
    let many = warned(Limits { anonymous: Some(30_000), ..Limits::default() });
    assert!(many.contains("anonymous is 30000 and connections is 20000"), "{many}");
}
