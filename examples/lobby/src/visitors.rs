//! Who is who: a name in memory, and a signed cookie that says which one is yours.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum_extra::extract::{
    SignedCookieJar,
    cookie::{Cookie, SameSite},
};
use http::{StatusCode, request::Parts};
use parking_lot::RwLock;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{App, Refusal, text_of};

const COOKIE: &str = "visitor";

/// Id to name. Static, because a resolver is a plain function.
static NAMES: RwLock<BTreeMap<String, String>> = RwLock::new(BTreeMap::new());

/// Somebody who has chosen a name. Two visitors may choose the same one; the id tells
/// them apart.
#[derive(Debug, Serialize)]
pub(crate) struct Visitor {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What everybody sees of a member.
pub(crate) fn display(user_id: &str) -> Value {
    let names = NAMES.read();
    json!({ "id": user_id, "name": names.get(user_id).map_or("somebody", String::as_str) })
}

impl Visitor {
    pub(crate) fn arrive(name: &str) -> Result<Self, Refusal> {
        let name = text_of(name, 40, "A name has 1 to 40 characters.")?;
        let mut names = NAMES.write();
        // Names are forgotten at sign-out, which not everybody does.
        if names.len() >= 10_000 {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "The house is full."));
        }
        let id = Uuid::new_v4().to_string();
        names.insert(id.clone(), name.clone());
        Ok(Self { id, name })
    }

    /// Whose cookie this is. After a sign-out it is nobody's, even if it was copied.
    pub(crate) fn of(jar: &SignedCookieJar) -> Option<Self> {
        let id = jar.get(COOKIE)?.value().to_owned();
        let name = NAMES.read().get(&id)?.clone();
        Some(Self { id, name })
    }

    pub(crate) fn forget(&self) {
        NAMES.write().remove(&self.id);
    }
}

/// Behind TLS it should have `Secure` as well; this example serves plain HTTP.
pub(crate) fn cookie(id: &str) -> Cookie<'static> {
    let cookie = Cookie::build((COOKIE, id.to_owned()));
    cookie.path("/").http_only(true).same_site(SameSite::Lax).build()
}

/// A handler that takes a `Visitor` is for those who have a name.
impl FromRequestParts<App> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let jar = SignedCookieJar::from_headers(&parts.headers, app.key.clone());
        Self::of(&jar).ok_or((StatusCode::UNAUTHORIZED, "Choose a name first."))
    }
}
