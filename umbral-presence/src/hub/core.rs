//! What one `Realtime` knows of who is where: the maps together, and how a group is used.
//!
//! `ARCHITECTURE.md` has the order in which locks are taken. None is held across an `await`. The
//! application's code (resolvers, predicates) is called under none of them, so that it may use the
//! handles it has. What is to be done when all of them have been let go is gathered in
//! [`Effects`].

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use super::{
    alarms::Alarms, batches::Batches, connections::Connections, effects::Effects, groups::Groups,
    permits::Permits, questions::Questions, rates::Rates, revocations::Revocations, users::Users,
};
#[cfg(feature = "metrics")]
use crate::figures::Declarations;
#[cfg(feature = "test")]
use crate::name::Token;
use crate::{
    clock::now,
    counters::{Counters, Counts},
    group::{GroupCell, State, Teller},
    limits::Limits,
    name::GroupName,
    spec::{
        PresenceSpec,
        declared::DeclaredPolicy,
        matcher::{Matcher, Undecided},
        resolver::ResolveContext,
    },
    store::{Nodes, Roster, whom::Whom},
    sync::MutexGuard,
    wire::Encoder,
};

/// A group that is gone before its alarm may wait for so long all the same.
const WAITS_GONE: Duration = Duration::from_secs(5);

/// What one `Realtime` knows of who is where.
pub(crate) struct Hub {
    /// Handed to the alarm task, which must not keep the hub alive.
    pub(super) me: Weak<Self>,
    pub(crate) limits: Limits,
    pub(super) teller: Teller,
    pub(super) matcher: Matcher,
    pub(super) groups: Groups,
    pub(super) connections: Connections,
    pub(super) users: Users,
    /// Sessions hold them until their transport is gone, which may be long after they have
    /// departed where a socket is stuck.
    pub(super) permits: Permits,
    pub(super) rates: Rates,
    /// Until when clients may go by themselves, where the server is going down.
    pub(super) drain_until: OnceLock<Instant>,
    pub(crate) revocations: Revocations,
    pub(super) context: ResolveContext,
    pub(super) questions: Questions,
    pub(super) batches: Batches,
    pub(super) alarms: Alarms,
    pub(crate) nodes: Nodes,
}

impl Hub {
    pub(crate) fn new(
        matcher: Matcher,
        limits: Limits,
        context: ResolveContext,
        nodes: Nodes,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            permits: Permits::new(&limits),
            rates: Rates::new(&limits),
            limits,
            teller: Teller::default(),
            matcher,
            groups: Groups::default(),
            connections: Connections::default(),
            users: Users::default(),
            drain_until: OnceLock::new(),
            revocations: Revocations::default(),
            context,
            questions: Questions::default(),
            batches: Batches::default(),
            alarms: Alarms::default(),
            nodes,
        })
    }

    /// What is left to do, when every lock has been let go, of what is about to be done.
    pub(super) fn effects(&self) -> Effects<'_> {
        Effects::new(self)
    }

    /// Ends every use of a group: ends the graces that are over, tells what is due, has the
    /// group woken when more will be, and takes it off the map where nobody needs it any
    /// longer.
    pub(super) fn settle(
        &self,
        cell: &Arc<GroupCell>,
        mut group: MutexGuard<'_, State>,
        now: Instant,
        effects: &mut Effects<'_>,
    ) {
        let gone = group.roster.expire(now);
        if !gone.is_empty() {
            effects.gone.push((cell.clone(), gone));
        }
        let delivery = group.settle(&cell.name, now, &self.teller, &mut effects.wakes);
        effects.deliveries.extend(delivery.map(|delivery| (cell.clone(), delivery)));
        // An alarm that is over may have been lost with the runtime that it waited in.
        if let Some(at) = group.next_wake(now)
            && group.alarm.is_none_or(|alarm| at < alarm || alarm <= now)
            && self.alarms.set(at, cell, &self.me)
        {
            group.alarm = Some(at);
        }
        if std::mem::take(&mut group.is_new) | group.roster.take_due() {
            self.nodes.look(|| Whom::Group(cell.name.clone()));
        }
        if group.is_idle() {
            group.retire();
            if group.alarm.is_some_and(|alarm| alarm > now + WAITS_GONE) {
                // What waits keeps the group's place in memory.
                self.alarms.set(now, cell, &self.me);
            }
            drop(group);
            self.groups.forget(cell);
            self.nodes.look(|| Whom::Group(cell.name.clone()));
        }
    }

    /// The spec that owns a group; asked of the matcher once for a group that there is.
    pub(super) fn owner(&self, name: &GroupName) -> Option<Arc<PresenceSpec>> {
        match self.groups.get(name) {
            Some(cell) => cell.spec.clone(),
            None => self.matcher.owner(name),
        }
    }

    /// The group of this name, made for `spec` where there is none.
    pub(super) fn cell(
        &self,
        name: &GroupName,
        spec: Option<&Arc<PresenceSpec>>,
    ) -> Arc<GroupCell> {
        let new = || {
            // A group without presence has no members.
            let roster = spec.map(|_| Roster::of(&self.nodes, now())).unwrap_or_default();
            GroupCell::new(name.clone(), spec.cloned(), roster, &self.limits)
        };
        self.groups.get_or_add(name, new)
    }

    /// Runs `read` on a group that exists.
    pub(super) fn with_group<T>(
        &self,
        name: &GroupName,
        read: impl FnOnce(&State) -> T,
    ) -> Option<T> {
        let cell = self.groups.get(name)?;
        cell.lock().map(|group| read(&group))
    }

    /// Changes a group, while other locks may be held.
    pub(super) fn change(
        &self,
        cell: &Arc<GroupCell>,
        effects: &mut Effects<'_>,
        change: impl FnOnce(&mut State),
    ) {
        if let Some(mut group) = cell.lock() {
            change(&mut group);
            self.settle(cell, group, now(), effects);
        }
    }

    /// The policy that the group's declaration names. A group that there is without presence may
    /// be one whose owner was not known when it was made, so it is looked for again.
    pub(crate) fn policy_of(&self, name: &GroupName) -> Result<Option<DeclaredPolicy>, Undecided> {
        if !self.matcher.has_policies {
            return Ok(None);
        }
        let owner = match self.groups.get(name).and_then(|cell| cell.spec.clone()) {
            Some(spec) => Some(spec),
            None => self.matcher.decide(name)?,
        };
        Ok(owner.and_then(|spec| spec.policy))
    }

    /// Whether a batch resolver has not answered yet.
    #[cfg(feature = "test")]
    pub(crate) fn is_resolving(&self) -> bool {
        self.batches.are_busy()
    }

    /// Whether subscribers of a group have still to be told of something.
    #[cfg(feature = "test")]
    pub(crate) fn is_telling_anybody(&self) -> bool {
        let now = now();
        self.groups.all().iter().any(|cell| cell.lock().is_some_and(|group| group.is_telling(now)))
    }

    /// Whether something waits to be written to the connection with this token. Where there is none any
    /// more it is the end.
    #[cfg(feature = "test")]
    pub(crate) fn is_writing_to(&self, token: Token) -> bool {
        self.connections.by_token(token).is_none_or(|connection| !connection.outbox().is_idle())
    }

    /// What the application has given for its functions.
    pub(crate) fn context(&self) -> &ResolveContext {
        &self.context
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.teller.encoder
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.teller.counters
    }

    /// The figures of all declarations.
    #[cfg(feature = "metrics")]
    pub(crate) fn declarations(&self) -> &Declarations {
        self.matcher.declarations()
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.teller.counters.read()
    }
}

/// Everything that it knows is somebody's, so it is not shown.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("connections", &self.connections.len())
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}
