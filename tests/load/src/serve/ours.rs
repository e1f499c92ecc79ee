//! umbral-presence as an application has it that changes nothing.

use std::time::Duration;

use http::request::Parts;
use umbral_presence::{Limits, PresenceSpec, RealtimePlugin};

use crate::Failure;

/// Users by header, everybody may join, and id-only payloads.
pub(crate) fn router(limits: Limits, store: Option<&str>) -> Result<axum::Router, Failure> {
    let mut plugin = RealtimePlugin::new()
        .without_declared()
        .with_presence(PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO))
        .with_presence(PresenceSpec::prefixes(["lasting:"]))
        .identity_resolver(|parts: Parts| async move {
            parts.headers.get("x-user")?.to_str().ok().map(str::to_owned)
        })
        .group_policy_fn(|_, _| true)
        .limits(limits);
    if let Some(store) = store {
        plugin = plugin.redis(store);
    }
    Ok(plugin.build()?.router())
}
