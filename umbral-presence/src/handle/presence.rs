//! Answers who is present, inside the application.

use std::{fmt::Display, sync::Arc};

use super::watch::Watch;
use crate::{
    hub::Hub,
    name::{Group, GroupName, InvalidGroupName, UserId},
    roster::Member,
};

/// Answers who is present. Cloning is cheap, and clones see the same groups.
///
/// An answer is true at the moment of the call. A group without presence has no members, even if
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

// Asynchronous although one node never waits, because a store between nodes will have to.
#[allow(clippy::unused_async)]
impl Presence {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// The members of a group, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub async fn members(&self, group: impl Group) -> Result<Vec<Member>, InvalidGroupName> {
        Ok(self.hub.members(&group.group_name()?))
    }

    /// The number of members of a group.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if `group` is not a valid name.
    pub async fn count(&self, group: impl Group) -> Result<usize, InvalidGroupName> {
        Ok(self.hub.count(&group.group_name()?))
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
        let user = UserId::new(user_id.to_string());
        Ok(user.is_ok_and(|user| self.hub.contains(&group, &user)))
    }

    /// The groups in which the user with this id is present, sorted by name.
    pub async fn groups_of(&self, user_id: impl Display) -> Vec<GroupName> {
        let user = UserId::new(user_id.to_string());
        user.map_or_else(|_| Vec::new(), |user| self.hub.groups_of(&user))
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
    /// It returns when the resolvers have answered. A resolver that gives no answer changes
    /// nothing, and is logged.
    ///
    /// ```
    /// # async fn example(presence: umbral_presence::Presence) {
    /// presence.refresh(7).await;
    /// # }
    /// ```
    pub async fn refresh(&self, user_id: impl Display) {
        if let Ok(user) = UserId::new(user_id.to_string()) {
            self.hub.refresh(&user).await;
        }
    }
}
