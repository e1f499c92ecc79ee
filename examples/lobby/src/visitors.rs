//! The visitors. Their names are in memory, and a signed cookie holds a visitor's id.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

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

/// A visitor who has not been seen for this time is forgotten, because not everybody signs out.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The visitors by id. It is a static, because a resolver is a plain function.
static KNOWN: RwLock<BTreeMap<String, Known>> = RwLock::new(BTreeMap::new());

/// What is remembered of a visitor.
struct Known {
    name: String,
    /// The locked rooms to which the visitor has shown the key.
    keys: BTreeSet<String>,
    seen: Instant,
}

/// A visitor who has chosen a name. Two visitors may choose the same name, and their ids tell them
/// apart.
#[derive(Debug, Serialize)]
pub(crate) struct Visitor {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// What everybody sees of a member.
pub(crate) fn display(user_id: &str) -> Value {
    let known = KNOWN.read();
    json!({ "id": user_id, "name": known.get(user_id).map_or("somebody", |known| &known.name) })
}

pub(crate) fn has_key(user_id: &str, room: &str) -> bool {
    KNOWN.read().get(user_id).is_some_and(|known| known.keys.contains(room))
}

impl Visitor {
    pub(crate) fn arrive(name: &str) -> Result<Self, Refusal> {
        let name = text_of(name, 40, "A name has 1 to 40 characters.")?;
        let mut known = KNOWN.write();
        known.retain(|_, known| known.seen.elapsed() < FORGOTTEN_AFTER);
        if known.len() >= 10_000 {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "The house is full."));
        }
        let (id, keys, seen) = (Uuid::new_v4().to_string(), BTreeSet::new(), Instant::now());
        known.insert(id.clone(), Known { name: name.clone(), keys, seen });
        Ok(Self { id, name })
    }

    /// The visitor of a cookie. After a sign-out there is none, not even for a copy of the cookie.
    pub(crate) fn of(jar: &SignedCookieJar) -> Option<Self> {
        let id = jar.get(COOKIE)?.value().to_owned();
        let mut everybody = KNOWN.write();
        let known = everybody.get_mut(&id)?;
        known.seen = Instant::now();
        Some(Self { id, name: known.name.clone() })
    }

    pub(crate) fn take_key(&self, room: &str) {
        let keep = |known: &mut Known| _ = known.keys.insert(room.to_owned());
        KNOWN.write().get_mut(&self.id).map(keep);
    }

    pub(crate) fn forget(&self) {
        KNOWN.write().remove(&self.id);
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
        Self::of(&jar).ok_or((StatusCode::UNAUTHORIZED, "Choose a name first."))
    }
}
