//! What can be wrong with the limits, in words.

use std::time::Duration;

/// One limit, or two together, with which the server could not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitProblem {
    #[error("the limit {limit} is 0, so nothing could be served; the default is {default}")]
    Zero { limit: &'static str, default: String },
    #[error("the limit {limit} of {value:?} is too long; at most {most:?}")]
    TooLong { limit: &'static str, value: Duration, most: Duration },
    #[error(
        "the limit outbox_bytes is {bytes}, too little for the answers to a client; at least {least}"
    )]
    SmallOutbox { bytes: usize, least: usize },
    #[error(
        "the limit outbox_bytes is {bytes} and groups_per_connection is {groups}: the answer to a client that is let into none of them may not fit, which would end its connection; give outbox_bytes at least {least}, or groups_per_connection at most {most}"
    )]
    OutboxForGroups { bytes: usize, groups: usize, least: usize, most: usize },
    #[error(
        "the limit outbox_bytes is {bytes} and payload_bytes is {payload}: the change of one member may not fit, and would then cost everybody a snapshot; give outbox_bytes at least {least}, or payload_bytes at most {most}"
    )]
    OutboxForPayload { bytes: usize, payload: usize, least: usize, most: usize },
    #[error(
        "the limit message_bytes is {bytes}, too little for a message that names one group; at least {least}"
    )]
    ShortMessage { bytes: usize, least: usize },
    #[error(
        "the limit message_bytes is {bytes} and groups_per_connection is {groups}: the browser's client, which names up to 80 groups in one message, would be cut off; give message_bytes at least {least}, or groups_per_connection at most {most}"
    )]
    MessageForGroups { bytes: usize, groups: usize, least: usize, most: usize },
    #[error(
        "the limit head_bytes is {bytes}, too little for the URL in which the browser's client names its first groups; at least {least}"
    )]
    ShortHead { bytes: usize, least: usize },
    #[error(
        "the limit inbound_bytes_per_second is {bytes}, too little for message_bytes of {message_bytes} and messages_per_second of {messages_per_second}, each of which counts as 1 KiB at least; at least {least}"
    )]
    SlowInbound { bytes: usize, message_bytes: usize, messages_per_second: u32, least: usize },
}
