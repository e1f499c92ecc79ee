//! Turns a request into a socket that speaks WebSocket.
//!
//! axum checks the handshake. Its own socket is not used, because it gives no access to frames and to
//! the connection below them.

use std::future::Future;

use axum::{
    body::Body,
    extract::{FromRequestParts, WebSocketUpgrade},
    response::Response,
};
use futures_util::{FutureExt, future::OptionFuture};
use http::{HeaderValue, StatusCode, Version, header, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::super::{code::Code, refusal::Refusal};

/// A request for a WebSocket, with a valid handshake.
pub(super) struct Upgrade {
    pending: OnUpgrade,
    /// The answer to the client's key. Over HTTP/2 there is none.
    accept: Option<HeaderValue>,
}

/// The connection, when it is no longer HTTP.
pub(super) type Io = TokioIo<Upgraded>;

impl Upgrade {
    /// Takes what is needed from the head of a request: a `GET` with `Upgrade` over HTTP/1.1, or the
    /// extended `CONNECT` of RFC 8441 over HTTP/2.
    pub(super) async fn of(parts: &mut Parts) -> Result<Self, Refusal> {
        // axum's check takes it out of the extensions.
        let pending = parts.extensions.get::<OnUpgrade>().cloned();
        let checked = WebSocketUpgrade::from_request_parts(parts, &()).await;
        checked.map(drop).map_err(|rejection| {
            Refusal::new(rejection.status(), Code::NoWebsocket, rejection.body_text())
        })?;
        let pending = pending.expect("the check wants it");
        let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
        let key = key.filter(|_| parts.version <= Version::HTTP_11);
        let accept = key.map(|key| {
            let accept = derive_accept_key(key.as_bytes());
            HeaderValue::try_from(accept).expect("Base64 is a header's value")
        });
        Ok(Self { pending, accept })
    }

    /// Answers the request, and serves the connection when the answer has been sent. If the upgrade
    /// fails, `serve` is dropped.
    pub(super) fn then<F>(self, serve: impl FnOnce(Io) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // In a future of its own the wait would take memory for as long as the connection lasts.
        tokio::spawn(self.pending.then(|upgraded| {
            OptionFuture::from(upgraded.ok().map(|upgraded| serve(TokioIo::new(upgraded))))
        }));
        let mut response = Response::new(Body::empty());
        if let Some(accept) = self.accept {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    /// The head of a request that hyper could upgrade.
    fn parts(method: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        // An upgrade that never comes.
        parts.extensions.insert(hyper::upgrade::on(http::Request::new(())));
        parts
    }

    const HEAD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        // The key of RFC 6455, section 1.3.
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    async fn answer(mut parts: Parts) -> Result<Response, StatusCode> {
        let refused = |refusal: Refusal| refusal.into_response().status();
        let upgrade = Upgrade::of(&mut parts).await.map_err(refused)?;
        Ok(upgrade.then(|_| async {}))
    }

    #[tokio::test]
    async fn over_http_1_the_answer_switches_protocols_and_proves_the_key() {
        let response = answer(parts("GET", Version::HTTP_11, &HEAD)).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("connection"), "upgrade");
        assert_eq!(header("upgrade"), "websocket");
        assert_eq!(header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn over_http_2_the_answer_is_a_bare_success() {
        // A proxy that speaks HTTP/1.1 to the client may pass the key on.
        for headers in [&HEAD[2..3], &HEAD[2..]] {
            let mut parts = parts("CONNECT", Version::HTTP_2, headers);
            parts.extensions.insert(hyper::ext::Protocol::from_static("websocket"));
            let response = answer(parts).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert!(response.headers().is_empty());
        }
    }

    #[tokio::test]
    async fn what_asks_for_no_websocket_is_refused() {
        let without = |name: &str| -> Vec<_> {
            HEAD.into_iter().filter(|(header, _)| *header != name).collect()
        };
        for (header, _) in HEAD {
            let refused = answer(parts("GET", Version::HTTP_11, &without(header))).await;
            assert_eq!(refused.err(), Some(StatusCode::BAD_REQUEST), "{header}");
        }
        for (method, version) in
            [("POST", Version::HTTP_11), ("CONNECT", Version::HTTP_11), ("GET", Version::HTTP_2)]
        {
            let refused = answer(parts(method, version, &HEAD)).await;
            assert_eq!(refused.err(), Some(StatusCode::METHOD_NOT_ALLOWED), "{method}");
        }
        let mut upgraded_before = parts("GET", Version::HTTP_11, &HEAD);
        upgraded_before.extensions.remove::<OnUpgrade>();
        assert_eq!(answer(upgraded_before).await.err(), Some(StatusCode::UPGRADE_REQUIRED));
    }
}
