//! Finds limits with which the server could not work, and limits that have no effect.

use std::time::Duration;

use super::{ENTRY_BYTES, FRAME_COST, LimitProblem, Limits};
use crate::name::MAX_GROUP_NAME_BYTES;

/// The smallest outbox: `@hello` and other answers must fit.
const MIN_OUTBOX_BYTES: usize = 4 * 1024;

/// The smallest WebSocket message: `{"op":"leave","groups":["..."]}` must fit with the longest
/// name, even if each byte of it is escaped.
const MIN_MESSAGE_BYTES: usize = 512;

/// The smallest head: the URL by which the browser's client asks for its first ten groups takes
/// up to 6 KiB, and there are other headers.
pub(super) const MIN_HEAD_BYTES: usize = 8 * 1024;

/// The browser's client names up to this many groups in one message.
pub(super) const NAMES_OF_A_MESSAGE: usize = 80;

/// What such a message has besides the names.
const OPERATION_BYTES: usize = 64;

/// What the longest group name takes in an answer: escaped, with quotes and a comma.
const NAME_BYTES: usize = 2 * MAX_GROUP_NAME_BYTES + 3;

/// What the groups of the longest URL take in an answer. Each byte of it may be escaped. Where
/// the URL has a comma the answer has a comma and two quotes.
const URL_BYTES: usize = 2 * (u16::MAX as usize);

/// What any answer has besides the names in it, the user's id included.
const ANSWER_BYTES: usize = 1024;

/// The longest tick.
const MAX_TICK: Duration = Duration::from_secs(60);

/// The longest time for an answer of the application. A place is held until it comes.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time to drain in.
const MAX_DRAIN: Duration = Duration::from_secs(60 * 60);

impl Limits {
    /// Every limit that lets nothing through, and every time that is too long to be useful.
    pub(crate) fn problems(&self) -> Vec<LimitProblem> {
        let mut problems = self.zeros();
        problems.extend(self.small_outbox());
        problems.extend(self.outbox_for_groups());
        problems.extend(self.outbox_for_payload());
        problems.extend(self.short_message());
        problems.extend(self.message_for_groups());
        problems.extend(self.short_head());
        problems.extend(self.slow_inbound());
        problems.extend(self.long_times());
        problems
    }

    fn zeros(&self) -> Vec<LimitProblem> {
        fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
            *value == T::default()
        }
        let default = Self::default();
        macro_rules! zeros {
            ($($limit:ident)*) => {
                [$((stringify!($limit), is_zero(&self.$limit), format!("{:?}", default.$limit))),*]
            };
        }
        let limits = zeros![
            connections connections_per_user connections_per_address opens_per_user
            opens_per_address members_per_second groups_per_connection outbox_bytes message_bytes
            messages_per_second inbound_bytes_per_second control_per_second payload_bytes
            policy_timeout head_bytes recheck_bytes resolver_timeout
        ];
        let zeros = limits.into_iter().filter(|(_, is_zero, _)| *is_zero);
        zeros.map(|(limit, _, default)| LimitProblem::Zero { limit, default }).collect()
    }

    fn small_outbox(&self) -> Option<LimitProblem> {
        let (bytes, least) = (self.outbox_bytes, MIN_OUTBOX_BYTES);
        (1..least).contains(&bytes).then_some(LimitProblem::SmallOutbox { bytes, least })
    }

    /// The longest answer is the one to a client that is let into none of its groups. An outbox
    /// holds it together with the entries of as many snapshots.
    fn outbox_for_groups(&self) -> Option<LimitProblem> {
        let (bytes, groups) = (self.outbox_bytes, self.groups_per_connection);
        // An answer names no more groups than a URL or a message has asked for.
        let asked = URL_BYTES.saturating_add(groups).max(self.message_bytes);
        let names = groups.saturating_mul(NAME_BYTES).min(asked);
        let entries = groups.saturating_mul(ENTRY_BYTES);
        let least = names.saturating_add(entries).saturating_add(ANSWER_BYTES);
        let most = bytes.saturating_sub(ANSWER_BYTES) / (NAME_BYTES + ENTRY_BYTES);
        let is_small = (MIN_OUTBOX_BYTES..least).contains(&bytes);
        is_small.then_some(LimitProblem::OutboxForGroups { bytes, groups, least, most })
    }

    fn outbox_for_payload(&self) -> Option<LimitProblem> {
        let (bytes, payload) = (self.outbox_bytes, self.payload_bytes);
        let least = payload.saturating_add(ANSWER_BYTES);
        let most = bytes.saturating_sub(ANSWER_BYTES);
        let is_small = (MIN_OUTBOX_BYTES..least).contains(&bytes);
        is_small.then_some(LimitProblem::OutboxForPayload { bytes, payload, least, most })
    }

    fn short_message(&self) -> Option<LimitProblem> {
        let (bytes, least) = (self.message_bytes, MIN_MESSAGE_BYTES);
        (1..least).contains(&bytes).then_some(LimitProblem::ShortMessage { bytes, least })
    }

    /// A message of the browser's client that is too long would end its connection again and
    /// again.
    fn message_for_groups(&self) -> Option<LimitProblem> {
        let (bytes, groups) = (self.message_bytes, self.groups_per_connection);
        let least = groups.min(NAMES_OF_A_MESSAGE) * NAME_BYTES + OPERATION_BYTES;
        let most = bytes.saturating_sub(OPERATION_BYTES) / NAME_BYTES;
        let is_short = (MIN_MESSAGE_BYTES..least).contains(&bytes);
        is_short.then_some(LimitProblem::MessageForGroups { bytes, groups, least, most })
    }

    fn short_head(&self) -> Option<LimitProblem> {
        let (bytes, least) = (self.head_bytes, MIN_HEAD_BYTES);
        (1..least).contains(&bytes).then_some(LimitProblem::ShortHead { bytes, least })
    }

    /// A client that keeps to its limits of messages is not slowed down.
    fn slow_inbound(&self) -> Option<LimitProblem> {
        let (bytes, message_bytes, messages_per_second) =
            (self.inbound_bytes_per_second, self.message_bytes, self.messages_per_second);
        let messages = usize::try_from(messages_per_second).unwrap_or(usize::MAX);
        let least = messages.saturating_mul(FRAME_COST).max(message_bytes);
        (1..least).contains(&bytes).then_some(LimitProblem::SlowInbound {
            bytes,
            message_bytes,
            messages_per_second,
            least,
        })
    }

    fn long_times(&self) -> impl Iterator<Item = LimitProblem> + use<> {
        let times = [
            ("tick", self.tick, MAX_TICK),
            ("drain_window", self.drain_window, MAX_DRAIN),
            ("policy_timeout", self.policy_timeout, MAX_TIMEOUT),
            ("resolver_timeout", self.resolver_timeout, MAX_TIMEOUT),
        ];
        let long = times.into_iter().filter(|(_, value, most)| value > most);
        long.map(|(limit, value, most)| LimitProblem::TooLong { limit, value, most })
    }

    /// Limits that have no effect beside others, in words.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let all = self.connections;
        let mut parts = vec![("connections_per_user", self.connections_per_user)];
        // The default is made for a large server, so only another value is warned of.
        let of_address = self.connections_per_address;
        let is_chosen = of_address != Self::default().connections_per_address;
        parts.extend(is_chosen.then_some(("connections_per_address", of_address)));
        parts.extend(self.anonymous.map(|anonymous| ("anonymous", anonymous)));
        let idle = parts.into_iter().filter(|(_, part)| *part > all);
        let told = idle.map(|(limit, part)| {
            format!(
                "the limit {limit} is {part} and connections is {all}, so it keeps nobody from \
                 taking every place; set {limit} below {all}"
            )
        });
        told.collect()
    }
}
