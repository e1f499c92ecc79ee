//! The names of all figures, with their units and what they are.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Makes a constant of each name, and the function that describes all.
macro_rules! figures {
    ($($constant:ident = $describe:ident($name:literal, $unit:ident, $text:literal)),* $(,)?) => {
        $(
            #[cfg_attr(not(feature = "redis"), allow(dead_code))]
            pub(crate) const $constant: &str = $name;
        )*

        /// Tells the recorder of each what it is.
        pub(crate) fn describe() {
            $($describe!($name, Unit::$unit, $text);)*
        }
    };
}

figures! {
    CONNECTIONS = describe_gauge("presence_connections", Count, "Open connections."),
    USERS = describe_gauge(
        "presence_users", Count, "Users with a connection here, or with a grace that is running."
    ),
    GROUPS = describe_gauge(
        "presence_groups", Count, "Groups with a subscriber or a member on this node."
    ),
    MEMBERS = describe_gauge(
        "presence_members", Count, "Members by a connection to this node, in all groups together."
    ),
    DRAINING = describe_gauge("presence_draining", Count, "Whether the server is going down, 0 or 1."),
    DEGRADED = describe_gauge(
        "presence_store_degraded", Count, "Whether the store is out of reach, 0 or 1."
    ),
    DEGRADED_FOR = describe_gauge(
        "presence_store_degraded_seconds", Seconds, "For how long the store has been out of reach."
    ),
    OPENS = describe_counter("presence_opens_total", Count, "Connections that were opened."),
    REFUSALS = describe_counter("presence_refusals_total", Count, "Requests that were refused."),
    TRANSITIONS = describe_counter(
        "presence_transitions_total", Count, "Changes of members that groups have told."
    ),
    CANCELLED = describe_counter(
        "presence_cancelled_total", Count, "Changes of members that came to nothing."
    ),
    RESYNCS = describe_counter(
        "presence_resyncs_total", Count,
        "Snapshots that took the place of a slow reader's changes."
    ),
    MISSED = describe_counter(
        "presence_missed_messages_total", Count, "Messages that slow readers did not get."
    ),
    LOST = describe_counter(
        "presence_lost_connections_total", Count,
        "Connections that were ended because their peer was gone or stuck."
    ),
    UNSENT = describe_counter(
        "presence_unsent_messages_total", Count, "Messages that other nodes were not sent."
    ),
    UNREADABLE = describe_counter(
        "presence_unreadable_messages_total", Count,
        "Messages of other nodes that could not be read."
    ),
    FAILURES = describe_counter(
        "presence_failures_total", Count,
        "How often the application's code gave no usable answer."
    ),
    FLUSH = describe_histogram(
        "presence_flush_seconds", Seconds,
        "How long it took to queue a group's changes for its subscribers."
    ),
    IDENTITY = describe_histogram(
        "presence_identity_seconds", Seconds, "How long the identity resolver took."
    ),
    POLICY = describe_histogram("presence_policy_seconds", Seconds, "How long the policy took."),
    RESOLVE = describe_histogram(
        "presence_resolve_seconds", Seconds, "How long a call of a resolver took."
    ),
    STORE = describe_histogram(
        "presence_store_seconds", Seconds, "How long the store took to answer."
    ),
}
