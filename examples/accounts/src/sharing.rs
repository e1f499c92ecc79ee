//! The list of documents, and who decides about their members.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    App,
    documents::Document,
    refusal::Refusal,
    sign_in::warn,
    users::{AuthSession, User},
};

fn signed_in(auth: AuthSession) -> Result<User, Refusal> {
    auth.user.ok_or(Refusal::SignedOut)
}

/// The documents of a user, and everybody who could be a member.
pub(crate) async fn list(
    State(app): State<App>,
    auth: AuthSession,
) -> Result<Json<Value>, Refusal> {
    let user = signed_in(auth)?;
    let people = app.database.people().await?;
    let people: Vec<_> =
        people.iter().map(|(id, name)| json!({ "id": id, "name": name })).collect();
    let documents = app.database.documents_of(user.id).await?;
    Ok(Json(json!({ "people": people, "documents": documents })))
}

pub(crate) async fn add_member(
    State(app): State<App>,
    auth: AuthSession,
    Path((document, member)): Path<(i64, i64)>,
) -> Result<StatusCode, Refusal> {
    check_owner(&app, signed_in(auth)?, document).await?;
    app.database.add_member(document, member).await?;
    tell(&app, document, member).await
}

pub(crate) async fn remove_member(
    State(app): State<App>,
    auth: AuthSession,
    Path((document, member)): Path<(i64, i64)>,
) -> Result<StatusCode, Refusal> {
    let owner = signed_in(auth)?;
    if owner.id == member {
        return Err(Refusal::Owner);
    }
    check_owner(&app, owner, document).await?;
    app.database.remove_member(document, member).await?;
    // The library asks the policy again, and the member is out when this returns.
    warn(app.realtime.recheck_policy(member).await);
    tell(&app, document, member).await
}

async fn check_owner(app: &App, user: User, document: i64) -> Result<(), Refusal> {
    let is_owner = app.database.is_owner(document, user.id).await?;
    if is_owner { Ok(()) } else { Err(Refusal::NotOwner) }
}

/// The pages of a document and of the member ask for their lists again.
async fn tell(app: &App, document: i64, member: i64) -> Result<StatusCode, Refusal> {
    let pages = [app.realtime.to_group(Document { id: document }), app.realtime.to_user(member)];
    for target in pages {
        if let Err(error) = target.send("members", &json!({ "document": document })).await {
            tracing::warn!("pages have not been told of a change: {error}");
        }
    }
    Ok(StatusCode::NO_CONTENT)
}
