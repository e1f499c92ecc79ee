//! The way in: who a request is from, which groups the user may join, and whether the answers are
//! still valid when they are used.
//!
//! ```text
//! take the moment ─▶ ask identity and policy ─▶ use the answers, under the lock
//!        ▲                                                     │
//!        └────────── outdated: revoked since that moment ──────┘
//! ```

use std::{fmt, net::IpAddr, sync::Arc};

use futures_util::future::try_join_all;
use http::request::Parts;

use super::{identity::IdentityResolver, policy::AnyPolicy};
use crate::{
    ask::{Unanswered, ask},
    connection::log,
    hub::{Connection, Full, Hub, NotOpened, Outdated, Permit, Session, Turn, Verdict},
    name::{GroupName, UserId},
};

/// How often the application is asked about one request if its answers are always out of date.
const MOST_QUESTIONS: usize = 10;

/// The application's identity resolver and policy, and the hub that a user is let into.
pub(crate) struct Door {
    pub(crate) hub: Arc<Hub>,
    identity: IdentityResolver,
    policy: Box<dyn AnyPolicy>,
}

/// The one who wants to join groups.
pub(crate) enum Asker<'a> {
    /// A visitor with a permit and without a connection yet. The identity resolver says who it is.
    Visitor(&'a Parts, &'a mut Permit),
    /// A visitor who opens no connection.
    Passing(&'a Parts, &'a mut Turn),
    /// A connection. The policy has allowed the groups that it is in.
    Member(&'a Arc<Connection>),
}

/// Why a visitor is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The policy gave no answer. That has been logged.
    #[error(transparent)]
    Policy(#[from] Unanswered),
    #[error(transparent)]
    Full(#[from] Full),
    /// Rights were revoked while each of the answers was on its way.
    #[error("revoked as fast as it is granted")]
    Revoked,
}

/// Why answers were not used.
#[derive(Debug)]
pub(crate) enum Unfit<E> {
    /// They are out of date, and must be asked for again.
    Outdated,
    /// They do not allow what was asked for.
    Refused(E),
}

impl<E> From<Outdated> for Unfit<E> {
    fn from(_: Outdated) -> Self {
        Self::Outdated
    }
}

impl<E: From<Closed>> From<NotOpened> for Unfit<E> {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Outdated => Self::Outdated,
            NotOpened::Draining => Self::Refused(Closed::Full(Full::Draining).into()),
        }
    }
}

/// Why the user of a request is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    Invalid(#[from] crate::name::InvalidUserId),
}

impl Door {
    pub(crate) fn new(
        hub: Arc<Hub>,
        identity: IdentityResolver,
        policy: Box<dyn AnyPolicy>,
    ) -> Self {
        Self { hub, identity, policy }
    }

    /// Lets a visitor in. `open` opens the session as soon as the answers are valid. The
    /// application is asked nothing before there is a permit. `address` is where the request came
    /// from.
    pub(crate) async fn enter<E: From<Closed>>(
        &self,
        parts: &Parts,
        address: Option<IpAddr>,
        groups: &[GroupName],
        open: impl FnMut(Option<&UserId>, &Verdict) -> Result<Session, Unfit<E>>,
    ) -> Result<Session, E> {
        let mut permit = self.hub.permit(address).map_err(Closed::from)?;
        let mut session = self.admit(Asker::Visitor(parts, &mut permit), groups, open).await?;
        session.keep(permit);
        Ok(session)
    }

    /// Whether a request comes from the user of the connection. An answer does not count if it was
    /// asked for before the one that identified the connection.
    pub(crate) async fn is_of(
        &self,
        connection: &Connection,
        parts: &Parts,
    ) -> Result<bool, Closed> {
        for _ in 0..MOST_QUESTIONS {
            let asked = self.hub.revocations.now();
            if self.identify(parts).await?.as_ref() == connection.user() {
                connection.is_identified(asked);
                return Ok(true);
            }
            if !connection.is_identified_since(asked) {
                return Ok(false);
            }
        }
        Err(Closed::Revoked)
    }

    /// Asks who `asker` is and which of `groups` it may join. `enter` uses the answers. If they are
    /// out of date by then, they are asked for again.
    pub(crate) async fn admit<T, E: From<Closed>>(
        &self,
        mut asker: Asker<'_>,
        groups: &[GroupName],
        mut enter: impl FnMut(Option<&UserId>, &Verdict) -> Result<T, Unfit<E>>,
    ) -> Result<T, E> {
        for _ in 0..MOST_QUESTIONS {
            let asked = self.hub.revocations.now();
            let visitor;
            let (user, held, new) = match &mut asker {
                Asker::Visitor(parts, permit) => {
                    visitor = self.identify(parts).await.map_err(Closed::from)?;
                    // The policy is asked after this, so a user has no more questions under way
                    // than connections.
                    permit.is_for(visitor.as_ref()).map_err(Closed::from)?;
                    (visitor.as_ref(), Vec::new(), groups.to_vec())
                }
                Asker::Passing(parts, turn) => {
                    visitor = self.identify(parts).await.map_err(Closed::from)?;
                    turn.is_for(visitor.as_ref()).map_err(Closed::from)?;
                    (visitor.as_ref(), Vec::new(), groups.to_vec())
                }
                Asker::Member(connection) => {
                    let (held, new) = connection.split(groups);
                    (connection.user(), held, new)
                }
            };
            let (allowed, denied) = self.sort_out(user, new).await?;
            denied.iter().for_each(|group| log::denied(user, group));
            let verdict = Verdict { asked, held, allowed, denied };
            // Nothing is awaited from here on, so the answers cannot become outdated in between.
            match enter(user, &verdict) {
                Ok(entered) => return Ok(entered),
                Err(Unfit::Refused(error)) => return Err(error),
                Err(Unfit::Outdated) => {}
            }
        }
        Err(Closed::Revoked.into())
    }

    /// The groups that the policy lets this user join, and the groups that it denies.
    async fn sort_out(
        &self,
        user: Option<&UserId>,
        groups: Vec<GroupName>,
    ) -> Result<(Vec<GroupName>, Vec<GroupName>), Closed> {
        let answers = try_join_all(groups.iter().map(|group| self.may_join(user, group))).await?;
        let (mut allowed, mut denied) = (Vec::new(), Vec::new());
        for (group, may_join) in groups.into_iter().zip(answers) {
            if may_join { &mut allowed } else { &mut denied }.push(group);
        }
        Ok((allowed, denied))
    }

    /// The signed-in user of a request. An answer that cannot be used is logged.
    pub(crate) async fn identify(&self, parts: &Parts) -> Result<Option<UserId>, IdentityError> {
        let timeout = self.hub.limits.policy_timeout;
        let answer = ask(timeout, || self.identity.resolve(parts)).await;
        let user = answer.map_err(IdentityError::from);
        let user = user.and_then(|id| Ok(id.map(UserId::new).transpose()?));
        user.inspect_err(|error| self.hub.counters().failed.identity(error))
    }

    /// Whether the policy lets this user join a group.
    pub(crate) async fn may_join(
        &self,
        user: Option<&UserId>,
        group: &GroupName,
    ) -> Result<bool, Unanswered> {
        let id = user.map(UserId::as_str);
        let question = || self.policy.can_join(id, group.as_str());
        let answer = ask(self.hub.limits.policy_timeout, question).await;
        answer.inspect_err(|error| self.hub.counters().failed.policy(user, group, *error))
    }

    /// Whether the policy lets this user send to a group. It is asked again if rights have been
    /// revoked in the meantime.
    pub(crate) async fn may_send(
        &self,
        user: Option<&UserId>,
        group: &GroupName,
    ) -> Result<bool, Unanswered> {
        let (hub, id) = (&self.hub, user.map(UserId::as_str));
        for _ in 0..MOST_QUESTIONS {
            let asked = hub.revocations.now();
            let question = || self.policy.can_send(id, group.as_str());
            let answer = ask(hub.limits.policy_timeout, question).await;
            let answer =
                answer.inspect_err(|error| hub.counters().failed.policy(user, group, *error))?;
            if let Ok(()) = hub.revocations.check(user, [group], asked) {
                return Ok(answer);
            }
        }
        // Rights were revoked each time.
        Ok(false)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("hub", &self.hub).finish_non_exhaustive()
    }
}
