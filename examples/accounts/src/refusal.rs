//! Why the application does not do what it is asked for.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::database::Database;

/// A request that is refused. The page shows the words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("This name and password do not fit.")]
    Credentials,
    #[error("Sign in first.")]
    SignedOut,
    #[error("Only the owner of a document decides who its members are.")]
    NotOwner,
    #[error("The owner stays a member.")]
    Owner,
    #[error("That does not work at the moment. Try again.")]
    Away,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Credentials | Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NotOwner => StatusCode::FORBIDDEN,
            Self::Owner => StatusCode::CONFLICT,
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, self.to_string()).into_response()
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!("the database has no answer: {error}");
        Self::Away
    }
}

impl From<axum_login::Error<Database>> for Refusal {
    fn from(error: axum_login::Error<Database>) -> Self {
        tracing::error!("the session cannot be used: {error}");
        Self::Away
    }
}

impl From<jsonwebtoken::errors::Error> for Refusal {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        tracing::error!("a token cannot be signed: {error}");
        Self::Away
    }
}
