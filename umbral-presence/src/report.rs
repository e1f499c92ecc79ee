//! Sets the figures that the library keeps itself: the application asks for it, so that no task
//! runs for it.

use metrics::{counter, gauge};

use crate::{
    figures::{Declared, Function, names, refused},
    hub::Hub,
    store::degraded::Degraded,
    transport,
    wire::Transport,
};

/// The value of `declaration` for groups that no spec owns.
const NO_DECLARATION: &str = "(none)";

/// Sets every gauge and every counter. Those that are recorded as things happen begin with zero.
pub(crate) fn report(hub: &Hub) {
    names::describe();
    connections(hub);
    groups(hub);
    events(hub);
    if hub.nodes.are_there() {
        store(hub);
    }
}

fn connections(hub: &Hub) {
    for transport in [Transport::Sse, Transport::WebSocket] {
        let (opened, open) = hub.counters().traffic.read(transport);
        let transport = transport.as_str();
        counter!(names::OPENS, "transport" => transport).absolute(opened);
        gauge!(names::CONNECTIONS, "transport" => transport).set(open as f64);
    }
    gauge!(names::USERS).set(hub.user_count() as f64);
    gauge!(names::DRAINING).set(f64::from(u8::from(hub.is_draining())));
}

fn groups(hub: &Hub) {
    let mut declared_groups = 0;
    for (name, declared) in hub.declarations().iter() {
        declared_groups += declared.groups();
        of_declaration(&name.clone().into(), declared);
    }
    // A group may have come or gone in between.
    let others = hub.group_count().saturating_sub(declared_groups);
    gauge!(names::GROUPS, "declaration" => NO_DECLARATION).set(others as f64);
}

fn of_declaration(name: &metrics::SharedString, declared: &Declared) {
    let label = || ("declaration", name.clone());
    gauge!(names::GROUPS, &[label()]).set(declared.groups() as f64);
    gauge!(names::MEMBERS, &[label()]).set(declared.members() as f64);
    counter!(names::CANCELLED, &[label()]).absolute(declared.cancelled());
    for (kind, count) in
        [("join", declared.joins()), ("leave", declared.leaves()), ("update", declared.updates())]
    {
        let labels = [label(), ("kind", kind.into())];
        counter!(names::TRANSITIONS, &labels).absolute(count);
    }
}

fn events(hub: &Hub) {
    let counts = hub.counts();
    counter!(names::RESYNCS).absolute(counts.resyncs);
    counter!(names::MISSED).absolute(counts.missed);
    counter!(names::LOST).absolute(counts.lost);
    transport::codes().for_each(|code| refused(code, 0));
    Function::ALL.into_iter().for_each(|function| function.has_failed(0));
}

fn store(hub: &Hub) {
    let counts = hub.counts();
    counter!(names::UNSENT).absolute(counts.unsent);
    counter!(names::UNREADABLE).absolute(counts.unreadable);
    let degraded = hub.nodes.degraded();
    let lasts = degraded.as_ref().map(Degraded::lasts).unwrap_or_default();
    gauge!(names::DEGRADED).set(f64::from(u8::from(degraded.is_some())));
    gauge!(names::DEGRADED_FOR).set(lasts.as_secs_f64());
}
