//! Tokens of clients that are no browsers. This server signs them, and checks them itself.

use std::time::Duration;

use jsonwebtoken::{
    DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::Result,
    get_current_timestamp,
};
use serde::{Deserialize, Serialize};

use crate::users::User;

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    /// Until when the token is valid, in seconds since 1970.
    pub(crate) exp: u64,
    /// The user's stamp. With another one the token is void.
    pub(crate) stamp: String,
}

/// Signs tokens and checks them.
pub(crate) struct Tokens {
    signs: EncodingKey,
    checks: DecodingKey,
    pub(crate) life: Duration,
}

impl Tokens {
    /// The key is a new one, so a restart makes all tokens void. Several nodes need a common key.
    pub(crate) fn new(life: Duration) -> std::result::Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let (signs, checks) = (EncodingKey::from_secret(&key), DecodingKey::from_secret(&key));
        Ok(Self { signs, checks, life })
    }

    pub(crate) fn issue(&self, user: &User) -> Result<String> {
        let claims = Claims {
            sub: user.id.to_string(),
            exp: get_current_timestamp() + self.life.as_secs(),
            stamp: user.stamp.clone(),
        };
        encode(&Header::default(), &claims, &self.signs)
    }

    /// What a token says, if this server has signed it and it is still valid.
    pub(crate) fn check(&self, token: &str) -> Option<Claims> {
        // Without this a token is good for a minute after its end.
        let rules = Validation { leeway: 0, ..Validation::default() };
        decode(token, &self.checks, &rules).ok().map(|token| token.claims)
    }
}
