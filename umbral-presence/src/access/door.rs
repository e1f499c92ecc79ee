//! The way in: who a request is from, which groups the user may join, and whether the answers are
//! still valid when they are used.
//!
//! ```text
//! take the moment ─▶ ask identity and policy ─▶ use the answers, under the lock
//!        ▲                                                     │
//!        └────────── outdated: revoked since that moment ──────┘
//! ```

use std::{fmt, future::Future, net::IpAddr, sync::Arc};

use futures_util::future::try_join_all;
use http::request::Parts;

use super::{
    answer::Cause,
    identity::IdentityResolver,
    policy::{Answering, AnyPolicy, Asked, PublicGroupsOnly},
    question::Question,
    who::IdentityError,
};
use crate::{
    ask::{Unanswered, ask},
    clock::now,
    connection::log,
    hub::{Connection, Full, Hub, NotOpened, Outdated, Permit, Session, SignIn, Turn, Verdict},
    name::{GroupName, UserId},
    spec::matcher::Undecided,
};

/// How often the application is asked about one request if its answers are always out of date.
const MOST_QUESTIONS: usize = 10;

/// What holds where the application says nothing.
static DEFAULT_POLICY: Answering<PublicGroupsOnly, bool> = Answering::new(PublicGroupsOnly);

/// The application's identity resolver and policy, and the hub that a user is let into.
pub(crate) struct Door {
    pub(crate) hub: Arc<Hub>,
    identity: IdentityResolver,
    /// The policy for all groups, unless the application has none.
    policy: Option<Box<dyn AnyPolicy>>,
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

/// Whose a request is, as its connection sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// It comes from the user of the connection.
    Its,
    Anothers,
    Nobodys,
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

impl Door {
    pub(crate) fn new(
        hub: Arc<Hub>,
        identity: IdentityResolver,
        policy: Option<Box<dyn AnyPolicy>>,
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
        open: impl FnMut(Option<&SignIn>, &Verdict) -> Result<Session, Unfit<E>>,
    ) -> Result<Session, E> {
        let mut permit = self.hub.permit(address).map_err(Closed::from)?;
        let mut session = self.admit(Asker::Visitor(parts, &mut permit), groups, open).await?;
        session.keep(permit);
        Ok(session)
    }

    /// Whether a request comes from the user of the connection. An answer does not count if it was
    /// asked for before the one that identified the connection.
    pub(crate) async fn whose(
        &self,
        connection: &Connection,
        parts: &Parts,
    ) -> Result<Whose, Closed> {
        for _ in 0..MOST_QUESTIONS {
            let asked = self.hub.revocations.now();
            let sign_in = self.identify(parts).await?;
            if SignIn::user_of(sign_in.as_ref()) == connection.user() {
                match self.hub.identified(connection, sign_in.as_ref(), asked) {
                    Ok(()) => return Ok(Whose::Its),
                    Err(Outdated) => continue,
                }
            }
            if !connection.is_identified_since(asked) {
                return Ok(if sign_in.is_some() { Whose::Anothers } else { Whose::Nobodys });
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
        mut enter: impl FnMut(Option<&SignIn>, &Verdict) -> Result<T, Unfit<E>>,
    ) -> Result<T, E> {
        for _ in 0..MOST_QUESTIONS {
            let asked = self.hub.revocations.now();
            let mut sign_in = None;
            let (user, held, new) = match &mut asker {
                Asker::Visitor(parts, permit) => {
                    sign_in = self.identify(parts).await.map_err(Closed::from)?;
                    let user = SignIn::user_of(sign_in.as_ref());
                    // The policy is asked after this, so a user has no more questions under way
                    // than connections.
                    permit.is_for(user).map_err(Closed::from)?;
                    (user, Vec::new(), groups.to_vec())
                }
                Asker::Passing(parts, turn) => {
                    sign_in = self.identify(parts).await.map_err(Closed::from)?;
                    let user = SignIn::user_of(sign_in.as_ref());
                    turn.is_for(user).map_err(Closed::from)?;
                    (user, Vec::new(), groups.to_vec())
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
            match enter(sign_in.as_ref(), &verdict) {
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
    pub(crate) async fn identify(&self, parts: &Parts) -> Result<Option<SignIn>, IdentityError> {
        let asking = self.ask(Question::identity(), || self.identity.resolve(parts));
        let identity = asking.await.map_err(IdentityError::from);
        let sign_in = identity.and_then(|it| it.map_or(Ok(None), |it| it.sign_in(now())));
        sign_in.inspect_err(|error| self.hub.counters().failed.identity(error))
    }

    /// Asks the application. That it gives no answer is noted.
    async fn ask<T, F: Future<Output = Result<T, Cause>>>(
        &self,
        watched: Question,
        question: impl FnOnce() -> F,
    ) -> Result<T, Unanswered> {
        let answer = watched.watch(ask(self.hub.limits.policy_timeout, question)).await;
        let answer = answer.and_then(|answer| answer.map_err(Unanswered::Failed));
        answer.inspect_err(|error| self.hub.counters().failed.note(error))
    }

    /// Whether the policy lets this user join a group.
    pub(crate) async fn may_join(
        &self,
        user: Option<&UserId>,
        group: &GroupName,
    ) -> Result<bool, Unanswered> {
        self.may(user, group, |policy, id| policy.can_join(id, group.as_str())).await
    }

    /// Whether the policy of the group's declaration and the one for all groups agree. Without either
    /// of them there is the default.
    async fn may<'a>(
        &'a self,
        user: Option<&'a UserId>,
        group: &'a GroupName,
        question: impl FnOnce(&'a dyn AnyPolicy, Option<&'a str>) -> Asked<'a>,
    ) -> Result<bool, Unanswered> {
        // Where it is not known whose policy decides, nobody joins.
        let declared = self.hub.policy_of(group).map_err(|Undecided| Unanswered::Panicked);
        let note = |error: &Unanswered| self.hub.counters().failed.policy(user, group, error);
        let declared = declared.inspect_err(note)?;
        if let Some(declared) = declared {
            let context = self.hub.context();
            let ask = || declared(user, group, context);
            if !self.ask_policy(user, group, ask).await? {
                return Ok(false);
            }
        }
        let policy: &dyn AnyPolicy = match &self.policy {
            Some(policy) => &**policy,
            None if declared.is_some() => return Ok(true),
            None => &DEFAULT_POLICY,
        };
        let id = user.map(UserId::as_str);
        self.ask_policy(user, group, || question(policy, id)).await
    }

    /// Asks the policy. That there is no answer is logged.
    async fn ask_policy<'a>(
        &self,
        user: Option<&UserId>,
        group: &GroupName,
        question: impl FnOnce() -> Asked<'a>,
    ) -> Result<bool, Unanswered> {
        let answer = self.ask(Question::policy(user, group), question).await;
        answer.inspect_err(|error| self.hub.counters().failed.policy(user, group, error))
    }

    /// Whether the policy lets this user send to a group. It is asked again if rights have been
    /// revoked in the meantime.
    pub(crate) async fn may_send<'a>(
        &'a self,
        user: Option<&'a UserId>,
        group: &'a GroupName,
    ) -> Result<bool, Unanswered> {
        let hub = &self.hub;
        for _ in 0..MOST_QUESTIONS {
            let asked = hub.revocations.now();
            let question = |policy: &'a dyn AnyPolicy, id: Option<&'a str>| {
                policy.can_send(id, group.as_str())
            };
            let answer = self.may(user, group, question).await?;
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
