//! Answers who is present, inside the application.

use std::{fmt::Display, sync::Arc};

use futures_util::future::join;

use super::watch::Watch;
use crate::{
    error::RevokeError,
    hub::Hub,
    name::{Group, GroupName, InvalidGroupName, UserId},
    roster::Member,
};

/// Answers who is present. Cloning is cheap, and clones see the same groups.
///
/// An answer is true at the moment of the call, and holds the users of all nodes. While the
/// [store](crate::Health::degraded) between them is out of reach it holds those of other nodes as
/// they were last known, if they were. A group without presence has no members, even if
/// it has subscribers.
///
/// ```
/// # async fn example(presence: umbral_presence::Presence) -> Result<(), umbral_presence::InvalidGroupName> {
/// let names: Vec<String> = presence
///     .members("room:42")
///     .await?
///     .iter()
///     .map(|member| member.id().to_string())
///     .collect();
/// assert_eq!(presence.count("room:42").await?, names.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Presence {
    hub: Arc<Hub>,
}

impl Presence {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// The members of a group, in the order in which this node saw them come.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub async fn members(&self, group: impl Group) -> Result<Vec<Member>, InvalidGroupName> {
        let group = group.group_name()?;
        let _visit = self.hub.visit(&group).await;
        Ok(self.hub.members(&group))
    }

    /// The number of members of a group.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub async fn count(&self, group: impl Group) -> Result<usize, InvalidGroupName> {
        let group = group.group_name()?;
        let _visit = self.hub.visit(&group).await;
        Ok(self.hub.count(&group))
    }

    /// Whether the user with this id is present in a group.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub async fn contains(
        &self,
        group: impl Group,
        user_id: impl Display,
    ) -> Result<bool, InvalidGroupName> {
        let group = group.group_name()?;
        let Ok(user) = UserId::new(user_id.to_string()) else {
            return Ok(false);
        };
        let _visit = self.hub.visit(&group).await;
        Ok(self.hub.contains(&group, &user))
    }

    /// The groups in which the user with this id is present, sorted by name. Every node is asked. One
    /// that does not answer within two seconds is left out, but for groups that this node has too.
    pub async fn groups_of(&self, user_id: impl Display) -> Vec<GroupName> {
        let Ok(user) = UserId::new(user_id.to_string()) else {
            return Vec::new();
        };
        let mut groups = self.hub.groups_of(&user);
        let (elsewhere, silent) = self.hub.nodes.groups_of(&user).await;
        groups.extend(elsewhere);
        if silent.is_some() {
            groups.extend(self.hub.groups_showing(&user));
        }
        groups.sort();
        groups.dedup();
        groups
    }

    /// The transitions of a group as a stream. The first one is a `Sync` with its members.
    ///
    /// ```
    /// # async fn example(presence: umbral_presence::Presence) -> Result<(), umbral_presence::InvalidGroupName> {
    /// use futures_util::StreamExt;
    /// use umbral_presence::Transition;
    ///
    /// let mut transitions = presence.watch("room:42")?;
    /// while let Some(transition) = transitions.next().await {
    ///     match transition {
    ///         Transition::Sync(members) => println!("{} are here", members.len()),
    ///         Transition::Join(member) => println!("{} came", member.id()),
    ///         Transition::Leave(member) => println!("{} went", member.id()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub fn watch(&self, group: impl Group) -> Result<Watch, InvalidGroupName> {
        Ok(Watch::new(self.hub.clone(), &group.group_name()?))
    }

    /// Asks the resolvers again about the user with this id, and sends `presence:update` to every
    /// group in which the payload has changed. Call it when the user has a new name or picture.
    ///
    /// It returns when the resolvers have answered, on every node that has the user. A resolver that
    /// gives no answer changes nothing, and is logged.
    ///
    /// ```
    /// # async fn example(presence: umbral_presence::Presence) -> Result<(), umbral_presence::RevokeError> {
    /// presence.refresh(7).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RevokeError::Unreached`] if other nodes have not answered.
    pub async fn refresh(&self, user_id: impl Display) -> Result<(), RevokeError> {
        let Ok(user) = UserId::new(user_id.to_string()) else {
            return Ok(());
        };
        let ((), silent) = join(self.hub.refresh(&user), self.hub.nodes.refresh(&user)).await;
        RevokeError::check(silent)
    }
}
