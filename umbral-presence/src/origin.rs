//! Which web pages may connect. A browser sends its cookies along whatever page asks, so a
//! stream that is opened by somebody else's page would act as the visitor.

use std::collections::HashSet;

use http::{
    HeaderMap, HeaderValue, Uri, header,
    request::Parts,
    uri::{Authority, Scheme},
};

/// The origins that may connect besides the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedOrigins(HashSet<Origin>);

impl AllowedOrigins {
    /// Takes `scheme://host[:port]`, or gives the text back that is none.
    pub(crate) fn insert(&mut self, origin: &str) -> Result<(), String> {
        let parsed = Origin::parse(origin).ok_or_else(|| origin.to_owned())?;
        self.0.insert(parsed);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of them.
    pub(crate) fn contains(&self, origin: &HeaderValue) -> bool {
        Origin::of(origin).is_some_and(|origin| self.0.contains(&origin))
    }

    /// Whether the page that made this request may make it. A request without `Origin` is
    /// not from a page, unless `Sec-Fetch-Site` says that it is from somebody else's.
    pub(crate) fn allow(&self, parts: &Parts) -> bool {
        let Some(origin) = parts.headers.get(header::ORIGIN) else {
            let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            return !matches!(site, Some(b"cross-site" | b"same-site"));
        };
        Origin::of(origin).is_some_and(|origin| {
            self.0.contains(&origin) || origin.is_of(&parts.headers, &parts.uri)
        })
    }
}

/// A page's origin: `https://example.com:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Origin {
    scheme: Scheme,
    host: String,
    /// The scheme's own where none is written.
    port: Option<u16>,
}

impl Origin {
    fn of(header: &HeaderValue) -> Option<Self> {
        Self::parse(header.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let parts = text.parse::<Uri>().ok()?.into_parts();
        let (scheme, authority) = (parts.scheme?, parts.authority?);
        // An origin has no path; `Uri` gives it the root one.
        let bare = !text.ends_with('/') && parts.path_and_query.is_none_or(|path| path == "/");
        (bare && !authority.as_str().contains('@')).then(|| Self {
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().or_else(|| default_port(&scheme)),
            scheme,
        })
    }

    /// Whether the request went to the server that the page came from. The scheme cannot be
    /// compared, since TLS may end before this server; it says which port is left out.
    fn is_of(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has the authority in the place of `Host`.
        let host = host.or_else(|| uri.authority().map(Authority::as_str));
        let Some(Ok(server)) = host.map(str::parse::<Authority>) else {
            return false;
        };
        server.host().eq_ignore_ascii_case(&self.host)
            && server.port_u16().or_else(|| default_port(&self.scheme)) == self.port
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
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
        assert!(!allows(&["http://app.example.com"], &headers));
        assert!(allows(&["HTTPS://App.Example.com:443"], &headers));
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
