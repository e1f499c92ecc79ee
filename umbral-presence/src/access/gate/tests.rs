use super::*;

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().uri("/realtime/ws");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn gate(origins: &[&str]) -> Gate {
    let mut gate = Gate::default();
    for origin in origins {
        gate.allow_origin(origin).unwrap();
    }
    gate
}

fn allows(origins: &[&str], headers: &[(&str, &str)]) -> bool {
    gate(origins).admit(&parts(headers)).is_ok()
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
        let page = format!("{origin}/a/page?of=it");
        assert!(allows(&[], &[("referer", &page), ("host", host)]), "{page}");
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
        ("example.com", "example.com"),
    ] {
        assert!(!allows(&[], &[("origin", origin), ("host", host)]), "{origin}");
        assert!(!allows(&[], &[("referer", origin), ("host", host)]), "{origin}");
    }
    assert!(!allows(&[], &[("origin", ""), ("host", "example.com")]));
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
fn what_the_browser_says_of_the_page_counts_whatever_a_proxy_has_made_of_the_host() {
    let at = ("host", "127.0.0.1:3000");
    for origin in [&[][..], &[("origin", "https://example.com")]] {
        for (site, own, allowed) in [
            ("same-origin", true, true),
            ("none", true, true),
            ("same-site", false, !origin.is_empty()),
            ("cross-site", false, !origin.is_empty()),
            ("something new", false, !origin.is_empty()),
        ] {
            let headers = [origin, &[at, ("sec-fetch-site", site)]].concat();
            assert_eq!(allows(&[], &headers), own, "{headers:?}");
            assert_eq!(allows(&["https://example.com"], &headers), allowed, "{headers:?}");
        }
    }
}

#[test]
fn a_page_of_another_scheme_on_the_own_host_is_another_origin_where_the_browser_says_so() {
    let headers = [
        ("origin", "http://example.com"),
        ("host", "example.com"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert!(!allows(&[], &headers));
}

#[test]
fn a_request_that_no_page_is_seen_to_have_made_passes() {
    assert!(allows(&[], &[("host", "example.com")]));
    assert!(allows(&[], &[("host", "example.com"), ("referer", "")]));
    assert!(allows(&[], &[]));
}

#[test]
fn what_is_no_origin_is_not_taken() {
    for text in ["example.com", "https://", "https://a.com/", "https://a.com/x", "null", ""] {
        assert_eq!(Gate::default().allow_origin(text), Err(OriginFault::Form), "{text}");
    }
    for text in ["*", "https://*.example.com", "https://example.com:*", "*://example.com"] {
        assert_eq!(Gate::default().allow_origin(text), Err(OriginFault::Wildcard), "{text}");
    }
}

#[test]
fn only_the_hosts_that_are_named_are_served() {
    let asks = |hosts: &[&str], host: &[(&str, &str)]| {
        let mut gate = Gate::default();
        for host in hosts {
            assert!(gate.allow_host(host), "{host}");
        }
        gate.admit(&parts(host))
    };
    let named = ["example.com", "127.0.0.1:3000", "[::1]:3000"];
    for host in ["example.com", "EXAMPLE.com", "example.com:8443", "127.0.0.1:3000", "[::1]:3000"] {
        assert_eq!(asks(&named, &[("host", host)]), Ok(()), "{host}");
    }
    // A rebound name is an own page for the browser.
    let page = ("sec-fetch-site", "same-origin");
    for host in ["evil.com", "127.0.0.1", "127.0.0.1:3001", "example.com.evil.com", "", "a b"] {
        assert_eq!(asks(&named, &[("host", host), page]), Err(Foreign::Host), "{host}");
    }
    assert_eq!(asks(&named, &[page]), Err(Foreign::Host));
    assert_eq!(asks(&[], &[("host", "evil.com")]), Ok(()));
}

#[test]
fn what_is_no_host_is_not_taken() {
    for text in
        ["", "https://example.com", "*.example.com", "me@example.com", "a b", "a/b", ":80", "a:b"]
    {
        assert!(!Gate::default().allow_host(text), "{text}");
    }
}

#[test]
fn a_stream_is_for_those_who_want_events() {
    for (headers, wants) in [
        (&[("accept", "text/event-stream")][..], true),
        (&[("accept", "text/html, Text/Event-Stream;q=0.5")], true),
        (&[("accept", "text/html"), ("accept", "text/event-stream")], true),
        (&[("accept", "text/event-stream;q=0.001")], true),
        (&[("accept", "text/event-stream; q=0")], false),
        (&[("accept", "text/html, text/event-stream;charset=utf-8;Q=0.000")], false),
        (&[("accept", "*/*")], false),
        (&[("accept", "text/*")], false),
        (&[], false),
        (&[("accept", "image/*,*/*;q=0.8"), ("sec-fetch-dest", "image")], false),
        (&[("accept", "*/*"), ("sec-fetch-dest", "script")], false),
        (&[("accept", "text/html"), ("sec-fetch-dest", "iframe")], false),
        (&[("accept", "*/*"), ("sec-fetch-dest", "empty")], true),
        (&[("accept", "text/html"), ("sec-fetch-dest", "document")], true),
    ] {
        assert_eq!(wants_events(&parts(headers).headers), wants, "{headers:?}");
    }
}

/// A page, the server that it calls as it is known to the browser, and what lies between.
#[derive(Clone, Debug)]
struct Case {
    page: &'static str,
    server: &'static str,
    /// What a proxy makes of `Host`; `None` where it leaves it.
    rewritten: Option<&'static str>,
    allowed: Option<&'static str>,
    /// Older browsers have no `Sec-Fetch-Site`.
    has_metadata: bool,
    /// What is stripped of every request on its way.
    no_referer: bool,
}

const PLACES: &[&str] = &[
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://app.example.com",
    "http://app.example.com:3000",
    "https://www.example.com",
    "http://localhost:5173",
    "http://localhost:3000",
    "https://evil.test",
    "http://evil.test",
];

impl Case {
    fn is_own(&self) -> bool {
        self.page == self.server
    }

    fn is_allowed(&self) -> bool {
        self.allowed == Some(self.page)
    }

    fn says_site(&self) -> bool {
        let secure = self.server.starts_with("https") || self.server.contains("localhost");
        self.has_metadata && secure
    }

    /// What arrives of a call of the browser's client.
    fn headers(&self, method: &str) -> Vec<(&'static str, String)> {
        let (_, host) = self.server.split_once("://").unwrap();
        let mut headers = vec![("host", self.rewritten.unwrap_or(host).to_owned())];
        if self.says_site() {
            let related = self.page.contains("example.com") && self.server.contains("example.com")
                || self.page.contains("localhost") && self.server.contains("localhost");
            let scheme = |url: &str| url.split(':').next().unwrap().to_owned();
            let site = match () {
                () if self.is_own() => "same-origin",
                () if related && scheme(self.page) == scheme(self.server) => "same-site",
                () => "cross-site",
            };
            headers.push(("sec-fetch-site", site.to_owned()));
        }
        if method != "GET" || !self.is_own() {
            headers.push(("origin", self.page.to_owned()));
        }
        if method != "WebSocket" && !self.no_referer {
            headers.push(("referer", format!("{}/", self.page)));
        }
        headers
    }

    fn admits(&self, method: &str) -> bool {
        let headers = self.headers(method);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        allows(self.allowed.as_slice(), &headers)
    }
}

/// Every page with every server, proxy and browser.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for page in PLACES {
        for server in PLACES {
            for rewritten in
                [None, Some("127.0.0.1:3000"), Some("app.example.com"), Some("backend")]
            {
                for allowed in PLACES.iter().map(|place| Some(*place)).chain([None]) {
                    for bits in 0..4 {
                        let (has_metadata, no_referer) = (bits & 1 == 1, bits & 2 == 2);
                        cases.push(Case {
                            page,
                            server,
                            rewritten,
                            allowed,
                            has_metadata,
                            no_referer,
                        });
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn a_stream_and_its_control_get_the_same_answer() {
    // The client asks for a Referer, so only what strips it leaves an own page's GET without a
    // word of where it comes from.
    let is_mute = |case: &Case| {
        case.is_own() && case.no_referer && !case.says_site() && case.rewritten.is_some()
    };
    for case in cases().iter().filter(|case| !is_mute(case)) {
        let admitted = case.admits("GET");
        assert_eq!(case.admits("POST"), admitted, "{case:?}");
        assert_eq!(case.admits("WebSocket"), admitted, "{case:?}");
    }
}

#[test]
fn an_allowed_page_passes_anyhow_and_an_own_one_where_the_browser_says_so() {
    for case in cases() {
        let is_own = case.is_own() && (case.says_site() || case.rewritten.is_none());
        if is_own || case.is_allowed() && !case.is_own() {
            for method in ["GET", "POST", "WebSocket"] {
                assert!(case.admits(method), "{method} {case:?}");
            }
        }
    }
}

#[test]
fn a_foreign_page_never_passes() {
    let host = |url: &'static str| url.split_once("://").map_or(url, |(_, host)| host);
    // Where the browser does not say it, and the request arrives with the host that the page
    // has, only the scheme differs, which is not known behind TLS that ends earlier.
    let is_told = |case: &Case| {
        case.says_site() || host(case.rewritten.unwrap_or(case.server)) != host(case.page)
    };
    let is_foreign = |case: &Case| !case.is_own() && !case.is_allowed() && is_told(case);
    for case in cases().iter().filter(|case| is_foreign(case)) {
        for method in ["GET", "POST", "WebSocket"] {
            assert!(!case.admits(method), "{method} {case:?}");
        }
    }
}
