//! Tokens of a server where people sign in for several applications (`OpenID` Connect). They are checked
//! by the keys that this server publishes.

use std::time::{Duration, Instant};

use jsonwebtoken::{
    AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::OpenId;

/// The keys are asked for at most once in this time, however many unknown keys tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// For so long the issuer may take for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a token of the issuer says.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) exp: u64,
}

/// Where an issuer publishes its keys.
#[derive(Deserialize)]
struct Configuration {
    jwks_uri: String,
}

/// The issuer, and the keys that it has published.
pub(crate) struct Issuer {
    settings: OpenId,
    client: reqwest::Client,
    keys: RwLock<JwkSet>,
    /// When the keys came. One request asks for them, and the others wait for the answer.
    asked: Mutex<Option<Instant>>,
}

impl Issuer {
    pub(crate) fn new(settings: OpenId) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let keys = RwLock::new(JwkSet { keys: Vec::new() });
        Ok(Self { settings, client, keys, asked: Mutex::new(None) })
    }

    // guide: issuer
    /// What a token says, if the issuer has signed it for this application and it is still valid. An
    /// error says that the issuer's keys are not known, so neither is whether the token is good.
    pub(crate) async fn check(&self, token: &str) -> Result<Option<Claims>, reqwest::Error> {
        let Ok(Header { alg, kid: Some(kid), .. }) = decode_header(token) else {
            return Ok(None);
        };
        let Some(key) = self.key(&kid).await? else {
            return Ok(None);
        };
        // A published key signs nothing: whoever knows it could sign as well.
        if alg.family() == AlgorithmFamily::Hmac {
            return Ok(None);
        }
        let mut rules = Validation::new(alg);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.leeway = 0;
        let claims = DecodingKey::from_jwk(&key).and_then(|key| decode(token, &key, &rules));
        Ok(claims.ok().map(|token| token.claims))
    }
    // guide: end

    /// The key of this name. An issuer that changes its keys names the new one in its tokens.
    async fn key(&self, kid: &str) -> Result<Option<Jwk>, reqwest::Error> {
        if let Some(key) = self.known(kid) {
            return Ok(Some(key));
        }
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|at| at.elapsed() >= PAUSE) {
            let keys = self.fetch().await?;
            *self.keys.write() = keys;
            *asked = Some(Instant::now());
        }
        Ok(self.known(kid))
    }

    fn known(&self, kid: &str) -> Option<Jwk> {
        self.keys.read().find(kid).cloned()
    }

    async fn fetch(&self) -> Result<JwkSet, reqwest::Error> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let place = format!("{issuer}/.well-known/openid-configuration");
        let answer = self.client.get(place).send().await?.error_for_status()?;
        let Configuration { jwks_uri } = answer.json().await?;
        self.client.get(jwks_uri).send().await?.error_for_status()?.json().await
    }
}
