//! The users, and how they sign in with a password.

use std::{fmt, sync::LazyLock};

use axum_login::{AuthUser, AuthnBackend};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::database::Database;

/// The session of a request, as axum-login gives it to a handler.
pub(crate) type AuthSession = axum_login::AuthSession<Database>;

/// A user. Only the id and the name are shown to others.
#[derive(Clone, Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) password: String,
    #[serde(skip)]
    pub(crate) stamp: String,
}

/// axum-login writes the user to the log, so neither the hash nor the stamp is in it.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    /// A session whose stamp is another one is void. So a new stamp signs the user out everywhere; an
    /// application that lets people change their password makes a new one then too.
    fn session_auth_hash(&self) -> &[u8] {
        self.stamp.as_bytes()
    }
}

/// What somebody signs in with. An application that everybody can reach bounds how often somebody may try.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) handle: String,
    pub(crate) password: String,
}

/// A password is compared with this if there is no such user.
static NOBODYS: LazyLock<String> = LazyLock::new(|| password_auth::generate_hash("nobody"));

impl AuthnBackend for Database {
    type User = User;
    type Credentials = Credentials;
    type Error = sqlx::Error;

    async fn authenticate(&self, credentials: Credentials) -> sqlx::Result<Option<User>> {
        let user = self.user_by_handle(&credentials.handle).await?;
        let hash = user.as_ref().map(|user| user.password.clone());
        // It takes a while on purpose, and as long for a user who does not exist, so that nobody can
        // find out by the time who does.
        let fits = spawn_blocking(move || {
            let hash = hash.as_deref().unwrap_or(&NOBODYS);
            password_auth::verify_password(credentials.password, hash).is_ok()
        });
        let fits = fits.await.unwrap_or(false);
        Ok(user.filter(|_| fits))
    }

    async fn get_user(&self, id: &i64) -> sqlx::Result<Option<User>> {
        self.user(*id).await
    }
}
