//! How much one client may ask for.

use std::time::Duration;

use crate::{error::BuildProblem, group::MAX_GROUP_NAME_BYTES, outbox::ENTRY_BYTES};

/// The smallest outbox: `@hello` and other answers must fit.
pub(crate) const MIN_OUTBOX_BYTES: usize = 4 * 1024;

/// What a frame of a WebSocket counts as besides its bytes: the work for it is mostly the same
/// whether it is long or short.
pub(crate) const FRAME_COST: usize = 1024;

/// The smallest WebSocket message: `{"op":"leave","groups":["..."]}` must fit with the longest
/// name, each byte of it escaped.
pub(crate) const MIN_MESSAGE_BYTES: usize = 512;

/// So many groups the browser's client names in one message.
const NAMES_OF_A_MESSAGE: usize = 80;

/// What such a message has besides the names.
const OPERATION_BYTES: usize = 64;

/// The smallest head: the URL by which the browser's client asks for its first ten groups takes
/// up to 6 KiB, and there are other headers.
pub(crate) const MIN_HEAD_BYTES: usize = 8 * 1024;

/// What the longest group name takes in an answer: escaped, with quotes and a comma.
const NAME_BYTES: usize = 2 * MAX_GROUP_NAME_BYTES + 3;

/// What the groups of the longest URL take in an answer, of which each byte is escaped; a comma
/// and two quotes take the place of a comma.
const URL_BYTES: usize = 2 * (u16::MAX as usize);

/// What any answer has besides the names in it, the user's id included.
const ANSWER_BYTES: usize = 1024;

/// The longest tick.
const MAX_TICK: Duration = Duration::from_secs(60);

/// The longest time for an answer of the application, while which a place is held.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time to drain in.
const MAX_DRAIN: Duration = Duration::from_secs(60 * 60);

/// Bounds on what clients can make the server hold or do. All are on by default.
///
/// ```
/// use umbral_presence::Limits;
///
/// let limits = Limits { connections: 500, ..Limits::default() };
/// assert_eq!(limits.connections_per_user, 100);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections in all; the next one gets `503`. 20,000. Each is an open file of the
    /// process, which often may have 1,024 of them unless it is told otherwise.
    pub connections: usize,
    /// How many of them anonymous visitors may have, so that they cannot keep signed-in users
    /// out; the next one gets `503`. `None` is three quarters of `connections`, and all of them
    /// where there is no identity resolver. `None`.
    ///
    /// Until the identity resolver has answered nobody knows who asks, so a handshake counts
    /// among `connections` alone meanwhile.
    pub anonymous: Option<usize>,
    /// Open connections of one user, handshakes that wait for the policy included; the next one
    /// gets `429`. So many answers with the members of groups may be under way besides. 100.
    pub connections_per_user: usize,
    /// Open connections from one address, where that is
    /// [known](crate::RealtimePlugin::client_address); the next one gets `429`. So many answers
    /// with the members of groups may be under way besides. 1,000.
    pub connections_per_address: usize,
    /// Connections that one user may open in a second; the next one gets `429`. 20.
    pub opens_per_user: u32,
    /// Connections that may be opened from one address in a second, where it is
    /// [known](crate::RealtimePlugin::client_address); the next one gets `429`. 200.
    pub opens_per_address: u32,
    /// Groups in which one user may be by a grace alone, without a connection to them; of more
    /// the oldest ends at once. 200.
    pub graces_per_user: usize,
    /// Requests of one user, and from one address, for the members of a group in a second; the
    /// next one gets `429`. 10.
    pub members_per_second: u32,
    /// Groups of one connection; a request for more gets `400`. 100.
    pub groups_per_connection: usize,
    /// Bytes that wait for one connection, each thing that waits counted with 64 bytes more.
    /// Where a reader falls behind by more, snapshots take the place of what groups had to
    /// tell it, and then its oldest messages are dropped, of which it is told. 256 KiB.
    /// At least 4 KiB, enough for the answer to a client that is let into none of its groups
    /// (467 bytes for each of `groups_per_connection`, and 1 KiB), and for one change of a
    /// member with `payload_bytes`.
    pub outbox_bytes: usize,
    /// Bytes of one inbound WebSocket message; a longer one ends the connection. 64 KiB; at
    /// least 512, and enough for a message of the browser's client (403 bytes for each of
    /// `groups_per_connection`, of which it names 80 at once, and 64).
    pub message_bytes: usize,
    /// Messages that a WebSocket's client may send in a second; the next one is answered by
    /// `@refused`. 50.
    pub messages_per_second: u32,
    /// Bytes that are read from one WebSocket in a second, each frame counted with 1 KiB more;
    /// what comes faster is read later. 256 KiB. At least as much as `message_bytes` and
    /// `messages_per_second` ask for.
    pub inbound_bytes_per_second: usize,
    /// `control` calls for one connection in a second; the next one gets `429`. 20.
    pub control_per_second: u32,
    /// Bytes of what a resolver may say of one member; more counts as no answer. 8 KiB.
    pub payload_bytes: usize,
    /// How long the identity resolver and the policy may take to answer; after that the
    /// request gets `503`. 5 s; at most a minute.
    pub policy_timeout: Duration,
    /// Bytes of the head of a request that opens a stream; one with more gets `431`. What a head
    /// was read into stays with its stream, so the HTTP server in front of the routes takes about
    /// as much memory for each. 64 KiB, as much as the longest URL; at
    /// least 8 KiB.
    pub head_bytes: usize,
    /// Bytes of what is kept of each connection's request where
    /// [`recheck_every`](crate::RealtimePlugin::recheck_every) is on: its path and the headers
    /// that the identity resolver needs again. A request with more gets `431`. 16 KiB.
    pub recheck_bytes: usize,
    /// How long the members of one call of a batch resolver hold up those of the next; they
    /// appear when it answers. Also how long the snapshot of somebody who joins waits until it
    /// shows the own user. 2 s; at most a minute.
    pub resolver_timeout: Duration,
    /// How long [`drain`](crate::Realtime::drain) gives clients to go elsewhere, which they do
    /// spread over this time. 5 s; at most an hour.
    pub drain_window: Duration,
    /// Changes of a group that follow one another within this time are told together; the
    /// first one after a pause is told at once. 25 ms, and four times what the last telling
    /// took where that is more. At most a minute.
    pub tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            anonymous: None,
            connections_per_user: 100,
            connections_per_address: 1000,
            opens_per_user: 20,
            opens_per_address: 200,
            graces_per_user: 200,
            members_per_second: 10,
            groups_per_connection: 100,
            outbox_bytes: 256 * 1024,
            message_bytes: 64 * 1024,
            messages_per_second: 50,
            inbound_bytes_per_second: 256 * 1024,
            control_per_second: 20,
            payload_bytes: 8 * 1024,
            policy_timeout: Duration::from_secs(5),
            head_bytes: 64 * 1024,
            recheck_bytes: 16 * 1024,
            resolver_timeout: Duration::from_secs(2),
            drain_window: Duration::from_secs(5),
            tick: Duration::from_millis(25),
        }
    }
}

impl Limits {
    /// How many connections anonymous visitors may have.
    pub(crate) fn anonymous_connections(&self) -> usize {
        self.anonymous.unwrap_or(self.connections - self.connections / 4)
    }

    /// The limits with which nothing would work: too small to let anything through, or times
    /// beyond all use.
    pub(crate) fn problems(&self) -> Vec<BuildProblem> {
        let default = Self::default();
        fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
            *value == T::default()
        }
        macro_rules! zero {
            ($($limit:ident)*) => {
                [$((stringify!($limit), is_zero(&self.$limit), format!("{:?}", default.$limit))),*]
            };
        }
        let zero = zero![
            connections connections_per_user connections_per_address opens_per_user
            opens_per_address members_per_second groups_per_connection outbox_bytes message_bytes
            messages_per_second inbound_bytes_per_second control_per_second payload_bytes
            policy_timeout head_bytes recheck_bytes resolver_timeout
        ];
        let small = (self.outbox_bytes > 0 && self.outbox_bytes < MIN_OUTBOX_BYTES)
            .then_some(BuildProblem::SmallOutbox { bytes: self.outbox_bytes });
        let short = (self.message_bytes > 0 && self.message_bytes < MIN_MESSAGE_BYTES)
            .then_some(BuildProblem::ShortMessage { bytes: self.message_bytes });
        let narrow = (self.head_bytes > 0 && self.head_bytes < MIN_HEAD_BYTES)
            .then_some(BuildProblem::ShortHead { bytes: self.head_bytes });
        let messages = usize::try_from(self.messages_per_second).unwrap_or(usize::MAX);
        let least = messages.saturating_mul(FRAME_COST).max(self.message_bytes);
        let bytes = self.inbound_bytes_per_second;
        let slow = (bytes > 0 && bytes < least).then_some(BuildProblem::SlowInbound {
            bytes,
            message_bytes: self.message_bytes,
            messages_per_second: self.messages_per_second,
            least,
        });
        let long = [
            ("tick", self.tick, MAX_TICK),
            ("drain_window", self.drain_window, MAX_DRAIN),
            ("policy_timeout", self.policy_timeout, MAX_TIMEOUT),
            ("resolver_timeout", self.resolver_timeout, MAX_TIMEOUT),
        ];
        let long = long.into_iter().filter(|(_, value, most)| value > most);
        let long = long.map(|(limit, value, most)| BuildProblem::LongLimit { limit, value, most });
        zero.into_iter()
            .filter(|(_, is_zero, _)| *is_zero)
            .map(|(limit, _, default)| BuildProblem::ZeroLimit { limit, default })
            .chain(small)
            .chain(self.outbox_problems())
            .chain(self.message_problem())
            .chain(narrow)
            .chain(short)
            .chain(slow)
            .chain(long)
            .collect()
    }

    /// What has to fit into an outbox.
    fn outbox_problems(&self) -> Vec<BuildProblem> {
        let (bytes, groups, payload) =
            (self.outbox_bytes, self.groups_per_connection, self.payload_bytes);
        if bytes < MIN_OUTBOX_BYTES {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let most = bytes.saturating_sub(ANSWER_BYTES) / (NAME_BYTES + ENTRY_BYTES);
        let least = self.answer_bytes();
        if bytes < least {
            problems.push(BuildProblem::OutboxForGroups { bytes, groups, least, most });
        }
        let least = payload.saturating_add(ANSWER_BYTES);
        if bytes < least {
            let most = bytes - ANSWER_BYTES;
            problems.push(BuildProblem::OutboxForPayload { bytes, payload, least, most });
        }
        problems
    }

    /// A message of the browser's client that is too long would end its connection again and again.
    fn message_problem(&self) -> Option<BuildProblem> {
        let (bytes, groups) = (self.message_bytes, self.groups_per_connection);
        let least = groups.min(NAMES_OF_A_MESSAGE) * NAME_BYTES + OPERATION_BYTES;
        let most = bytes.saturating_sub(OPERATION_BYTES) / NAME_BYTES;
        let is_short = (MIN_MESSAGE_BYTES..least).contains(&bytes);
        is_short.then_some(BuildProblem::MessageForGroups { bytes, groups, least, most })
    }

    /// The longest answer, which is to a client that is let into none of its groups, and the
    /// places of as many snapshots.
    fn answer_bytes(&self) -> usize {
        let groups = self.groups_per_connection;
        // It names no more than was asked for, by a URL or by a message.
        let asked = URL_BYTES.saturating_add(groups).max(self.message_bytes);
        let names = groups.saturating_mul(NAME_BYTES).min(asked);
        names.saturating_add(groups.saturating_mul(ENTRY_BYTES)).saturating_add(ANSWER_BYTES)
    }

    /// Limits that have no effect beside others, in words.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let all = self.connections;
        let mut parts = vec![("connections_per_user", self.connections_per_user)];
        // Its default is for a large server.
        let of_address = self.connections_per_address;
        let is_chosen = of_address != Self::default().connections_per_address;
        parts.extend(is_chosen.then_some(("connections_per_address", of_address)));
        parts.extend(self.anonymous.map(|anonymous| ("anonymous", anonymous)));
        let idle = parts.into_iter().filter(|(_, part)| *part > all);
        let told = idle.map(|(limit, part)| {
            format!(
                "the limit {limit} is {part} and connections is {all}, so that it keeps nobody \
                 from taking every place; give {limit} less than {all}"
            )
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(
            problems.iter().all(|text| text.contains("is 0, so that nothing")),
            "{problems:#?}"
        );
    }

    #[test]
    fn the_clients_messages_are_what_is_reckoned_with() {
        let client = include_str!("../client/ws.js");
        assert!(client.contains(&format!("const MOST_NAMES = {NAMES_OF_A_MESSAGE};")));
        let client = include_str!("../client/worker.js");
        let url = 10 * (3 * MAX_GROUP_NAME_BYTES + 3) + 100;
        assert!(client.contains("const FIRST = 10;") && url < MIN_HEAD_BYTES - 1024);
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
}
