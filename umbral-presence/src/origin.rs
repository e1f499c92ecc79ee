//! Which web pages may connect. A browser sends its cookies along whatever page asks, so a
//! stream that is opened by somebody else's page would act as the visitor.

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue, Uri, header, request::Parts, uri::Scheme};

/// The origins that may connect besides the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedOrigins(HashSet<String>);

impl AllowedOrigins {
    /// Takes `scheme://host[:port]`, or gives the text back that is none.
    pub(crate) fn insert(&mut self, origin: &str) -> Result<(), String> {
        match Origin::parse(origin) {
            Some(_) => {
                self.0.insert(origin.to_ascii_lowercase());
                Ok(())
            }
            None => Err(origin.to_owned()),
        }
    }

    /// Whether the page that made this request may make it. A request without `Origin` is
    /// not from a page, unless `Sec-Fetch-Site` says that it is from somebody else's.
    pub(crate) fn allow(&self, parts: &Parts) -> bool {
        let Some(origin) = parts.headers.get(header::ORIGIN) else {
            let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            return !matches!(site, Some(b"cross-site" | b"same-site"));
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        self.0.contains(&origin.to_ascii_lowercase())
            || Origin::parse(origin).is_some_and(|origin| origin.is_of(&parts.headers, &parts.uri))
    }
}

/// A page's origin: `https://example.com:8443`.
struct Origin {
    scheme: Scheme,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let parts = uri.into_parts();
        let authority = parts.authority?;
        // An origin has no path; `Uri` gives it the root one.
        let bare = !text.ends_with('/') && parts.path_and_query.is_none_or(|path| path == "/");
        (bare && !authority.as_str().contains('@'))
            .then(|| Self {
                scheme: parts.scheme.unwrap_or(Scheme::HTTP),
                host: authority.host().to_ascii_lowercase(),
                port: authority.port_u16(),
            })
            .filter(|_| text.contains("://"))
    }

    /// Whether the request went to the server that the page came from. The scheme cannot be
    /// compared, since TLS may end before this server; it says which port is left out.
    fn is_of(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has the authority in the place of `Host`.
        let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
        let Some(Ok(server)) = host.map(str::parse::<http::uri::Authority>) else {
            return false;
        };
        let default = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        server.host().eq_ignore_ascii_case(&self.host)
            && server.port_u16().unwrap_or(default) == self.port.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &[&str], headers: &[(&str, &str)]) -> bool {
        let mut origins = AllowedOrigins::default();
        for origin in allowed {
            origins.insert(origin).unwrap();
        }
        let mut request = http::Request::builder().uri("/realtime/ws");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        origins.allow(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_own_origin_passes_with_and_without_its_default_port() {
        for (origin, host) in [
            ("https://example.com", "example.com"),
            ("https://Example.com", "EXAMPLE.com:443"),
            ("http://example.com:80", "example.com"),
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://[::1]:3000", "[::1]:3000"),
        ] {
            assert!(allows(&[], &[("origin", origin), ("host", host)]), "{origin}");
        }
    }

    #[test]
    fn another_origin_is_refused() {
        for (origin, host) in [
            ("https://evil.com", "example.com"),
            ("https://example.com.evil.com", "example.com"),
            ("https://example.com:8443", "example.com"),
            ("http://example.com", "example.com:443"),
            ("https://example.com@evil.com", "example.com"),
            ("null", "example.com"),
            ("", "example.com"),
            ("example.com", "example.com"),
        ] {
            assert!(!allows(&[], &[("origin", origin), ("host", host)]), "{origin}");
        }
        assert!(!allows(&[], &[("origin", "https://example.com")]));
    }

    #[test]
    fn an_allowed_origin_passes() {
        let headers = [("origin", "https://app.example.com"), ("host", "api.example.com")];
        assert!(allows(&["https://app.example.com"], &headers));
        assert!(!allows(&["https://app.example.com:444"], &headers));
    }

    #[test]
    fn a_request_without_origin_passes_unless_a_foreign_page_made_it() {
        assert!(allows(&[], &[("host", "example.com")]));
        assert!(allows(&[], &[("sec-fetch-site", "same-origin")]));
        assert!(allows(&[], &[("sec-fetch-site", "none")]));
        assert!(!allows(&[], &[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn what_is_no_origin_is_not_taken() {
        for text in
            ["example.com", "https://", "https://a.com/", "https://a.com/x", "*", "null", ""]
        {
            assert!(AllowedOrigins::default().insert(text).is_err(), "{text}");
        }
    }
}
