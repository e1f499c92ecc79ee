//! The visitors. The store has their names, and a signed cookie holds a visitor's id.

use std::collections::HashMap;

use axum::extract::FromRequestParts;
use axum_extra::extract::{
    SignedCookieJar,
    cookie::{Cookie, SameSite},
};
use http::{StatusCode, request::Parts};
use serde::Serialize;
use serde_json::{Value, json};
use umbral_presence::{ResolveContext, UserId};
use uuid::Uuid;

use crate::{
    App, Refusal,
    store::{Store, StoreError, until_answered},
    text_of,
};

const COOKIE: &str = "visitor";

/// A visitor who has chosen a name. Two visitors may choose the same name, and their ids tell them
/// apart.
#[derive(Debug, Serialize)]
pub(crate) struct Visitor {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What everybody sees of these members.
pub(crate) async fn display(users: Vec<UserId>, context: ResolveContext) -> HashMap<UserId, Value> {
    let Some(store) = context.get::<Store>() else {
        return HashMap::new();
    };
    let ids: Vec<_> = users.iter().map(UserId::as_str).collect();
    let names = until_answered(|| store.see(&ids)).await;
    let show = |(id, name): (&UserId, Option<String>)| {
        let name = name.unwrap_or_else(|| "somebody".to_owned());
        (id.clone(), json!({ "id": id, "name": name }))
    };
    users.iter().zip(names).map(show).collect()
}

impl Visitor {
    pub(crate) async fn arrive(store: &Store, name: &str) -> Result<Self, Refusal> {
        let name = text_of(name, 40, "A name has 1 to 40 characters.")?;
        let id = Uuid::new_v4().to_string();
        store.add_visitor(&id, &name).await?;
        Ok(Self { id, name })
    }

    /// The visitor of a cookie. After a sign-out there is none, not even for a copy of the cookie.
    pub(crate) async fn of(
        store: &Store,
        jar: &SignedCookieJar,
    ) -> Result<Option<Self>, StoreError> {
        let Some(cookie) = jar.get(COOKIE) else {
            return Ok(None);
        };
        let id = cookie.value().to_owned();
        let name = store.see(&[&id]).await?.pop().flatten();
        Ok(name.map(|name| Self { id, name }))
    }
}

/// Over TLS the cookie should have `Secure` as well. This example serves plain HTTP.
pub(crate) fn cookie(id: &str) -> Cookie<'static> {
    let cookie = Cookie::build((COOKIE, id.to_owned()));
    cookie.path("/").http_only(true).same_site(SameSite::Lax).build()
}

/// A handler that takes a `Visitor` refuses a request without a name.
impl FromRequestParts<App> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let jar = SignedCookieJar::from_headers(&parts.headers, app.key.clone());
        let visitor = Self::of(&app.house.store, &jar).await?;
        visitor.ok_or((StatusCode::UNAUTHORIZED, "Choose a name first."))
    }
}
