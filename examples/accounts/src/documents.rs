//! The documents: who has one open, and who may open it.

use std::collections::HashMap;

use serde_json::{Value, json};
use umbral_presence::{GroupPolicy, ResolveContext, UserId, presence};

use crate::database::Database;

/// The people who have a document open.
#[presence(pattern = "doc:{id}", batch_resolver = faces)]
pub(crate) struct Document {
    pub(crate) id: i64,
}

/// What others see of these users: one query, however many have come at once.
async fn faces(users: Vec<UserId>, context: ResolveContext) -> HashMap<UserId, Value> {
    let Some(database) = context.get::<Database>() else {
        return HashMap::new();
    };
    let ids: Vec<i64> = users.iter().filter_map(|user| user.as_str().parse().ok()).collect();
    // The library asks again later for those who are not in the answer.
    let names = database.names(&json!(ids).to_string()).await.unwrap_or_else(|error| {
        tracing::warn!("names cannot be read: {error}");
        Vec::new()
    });
    let show = |(id, name)| (UserId::from(id), json!({ "id": id, "name": name }));
    names.into_iter().map(show).collect()
}

/// The policy: only the members of a document may open it, and see who else has it open.
pub(crate) struct Membership(pub(crate) Database);

/// A database that is away gives no answer, which is neither yes nor no.
impl GroupPolicy<sqlx::Result<bool>> for Membership {
    async fn can_join(&self, user: Option<&str>, group: &str) -> sqlx::Result<bool> {
        match (user.map(str::parse), group.parse()) {
            (Some(Ok(user)), Ok(Document { id })) => self.0.is_member(id, user).await,
            _ => Ok(false),
        }
    }
}
