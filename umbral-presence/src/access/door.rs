//! The way in: who asks, which groups they may join, and that the answers still hold when they
//! are put to use.
//!
//! ```text
//! take the moment ─▶ ask identity and policy ─▶ put the answers to use, under the lock
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
    hub::{Connection, Full, Hub, NotOpened, Outdated, Permit, Turn, Verdict},
    name::{GroupName, UserId},
    session::Session,
};

/// How often the application is asked about one request, whose answers are out of date each
/// time that they come.
const MOST_QUESTIONS: usize = 10;

/// Whom to ask about visitors, and the hub that they come into.
pub(crate) struct Door {
    pub(crate) hub: Arc<Hub>,
    identity: IdentityResolver,
    policy: Box<dyn AnyPolicy>,
}

/// Who wants to join groups.
pub(crate) enum Asker<'a> {
    /// A visitor who has a permit and no connection yet; the identity resolver says who it is.
    Visitor(&'a Parts, &'a mut Permit),
    /// A visitor who opens no connection.
    Passing(&'a Parts, &'a mut Turn),
    /// A connection. The policy has allowed the groups that it is in.
    Member(&'a Arc<Connection>),
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The policy gave no answer; it has been logged.
    #[error(transparent)]
    Policy(#[from] Unanswered),
    #[error(transparent)]
    Full(#[from] Full),
    /// Whoever asks is sent away as fast as the answers come.
    #[error("revoked as fast as it is granted")]
    Revoked,
}

/// Why answers were not put to use.
#[derive(Debug)]
pub(crate) enum Unfit<E> {
    /// They are out of date: ask again.
    Outdated,
    /// They are not what is needed.
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

/// Why it is not known who asks.
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

    /// Lets a visitor in, as soon as `open` can open a session with answers that stand. Nobody is
    /// asked anything before there is a permit. `address` is where the request came from.
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

    /// Whether a request is the connection's user's. An answer that was asked for before the one
    /// by which its user is known counts for nothing.
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

    /// Asks who `asker` is and which of `groups` it may join, and has `enter` put the answers to
    /// use; asks again where they are out of date by then.
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
                    // Before the policy is asked, so that no user has more questions under way
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
            // Nothing is awaited from here on: the answers stand and are used, or are not.
            match enter(user, &verdict) {
                Ok(entered) => return Ok(entered),
                Err(Unfit::Refused(error)) => return Err(error),
                Err(Unfit::Outdated) => {}
            }
        }
        Err(Closed::Revoked.into())
    }

    /// The groups that the policy lets this user join, and the others.
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

    /// The signed-in user of a request. That there is no usable answer is logged.
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

    /// Whether the policy lets this user send to a group; asks again where rights have been
    /// revoked meanwhile.
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
        // Revoked as fast as it is granted.
        Ok(false)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("hub", &self.hub).finish_non_exhaustive()
    }
}
