//! Which requests are let in. A browser sends its cookies with the requests of every page, so a
//! stream that another page opens would be the visitor's.
//!
//! What a browser says about the page that sends a request:
//!
//! | request | `Sec-Fetch-Site` | `Origin` | `Referer` |
//! |---|---|---|---|
//! | `GET` of an own page | over TLS and on localhost | – | unless the page forbids it |
//! | `POST` of an own page | over TLS and on localhost | yes | unless the page forbids it |
//! | by a script of another page that wants the answer | over TLS and on localhost | yes | unless the page forbids it |
//! | by another page's `<img>` | over TLS and on localhost | – | unless the page forbids it |
//! | WebSocket | not by every browser | yes | – |
//!
//! The browser's client makes the browser send a `Referer` even if the page forbids it. Over plain
//! HTTP its `GET` of the stream is then judged by the same origin as its `POST` of `control`.

use std::collections::HashSet;

use http::{
    HeaderMap, HeaderValue, Uri, header,
    request::Parts,
    uri::{Authority, Scheme},
};

use crate::journal::Strangers;

/// The media type of an event stream.
const EVENTS: &str = "text/event-stream";

/// Decides which requests are let in, by the page that they come from and the host that they go
/// to.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The origins that may connect besides the server's own.
    origins: HashSet<Origin>,
    /// The hosts of the server. If the list is empty, every host is accepted.
    hosts: Vec<Authority>,
    strangers: Strangers,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// It comes from a page of another origin.
    Origin,
    /// It goes to a host that is not the server's.
    Host,
}

/// Why a text is not an origin that can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginFault {
    /// It has a `*`, which no page's origin has.
    Wildcard,
    Form,
}

impl Gate {
    /// Lets pages of an origin in. An origin is `scheme://host[:port]`.
    pub(crate) fn allow_origin(&mut self, text: &str) -> Result<(), OriginFault> {
        if text.contains('*') {
            return Err(OriginFault::Wildcard);
        }
        self.origins.insert(Origin::parse(text).ok_or(OriginFault::Form)?);
        Ok(())
    }

    /// Adds a host of the server: `host[:port]`, or `host` for every port. Returns whether the text
    /// is a host.
    pub(crate) fn allow_host(&mut self, text: &str) -> bool {
        let host = text.parse::<Authority>().ok();
        // `Authority` takes a port that is not a number, and then says that there is none.
        let host = host.filter(|host| !host.as_str().contains(['@', '*']) && has_sound_port(host));
        host.map(|host| self.hosts.push(host)).is_some()
    }

    pub(crate) fn allows_origins(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether this origin is one of those that are allowed by name.
    pub(crate) fn names(&self, origin: &HeaderValue) -> bool {
        Origin::of(origin).is_some_and(|origin| self.origins.contains(&origin))
    }

    /// Whether the request is let in, by what its headers say.
    ///
    /// `Sec-Fetch-Site` is the browser's own judgement. No page can write it, and no proxy needs to
    /// understand it. Without it the page's origin is compared with the host of the request. A
    /// request that says nothing about a page comes from another program, or from a picture in a
    /// page over plain HTTP, which [`wants_events`] keeps from opening a stream.
    pub(crate) fn admit(&self, parts: &Parts) -> Result<(), Foreign> {
        let Parts { headers, uri, .. } = parts;
        let host = host(headers, uri);
        let named = || {
            let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
            headers.get(header::HOST).map(HeaderValue::as_bytes).or(authority)
        };
        if !self.hosts.is_empty() && !host.as_ref().is_some_and(|host| self.goes_by(host)) {
            self.strangers.misdirected(named());
            return Err(Foreign::Host);
        }
        let origin = headers.get(header::ORIGIN);
        let admitted = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => true,
            Some(_) => origin.is_some_and(|origin| self.names(origin)),
            None => {
                let page = origin.map(Origin::of).or_else(|| referer(headers));
                page.is_none_or(|page| {
                    page.is_some_and(|page| self.is_at_home(&page, host.as_ref()))
                })
            }
        };
        if admitted {
            return Ok(());
        }
        let page = origin.or_else(|| headers.get(header::REFERER)).map(HeaderValue::as_bytes);
        self.strangers.refused(page, named());
        Err(Foreign::Origin)
    }

    fn goes_by(&self, host: &Authority) -> bool {
        let is_it = |known: &Authority| {
            let port = known.port_u16();
            known.host().eq_ignore_ascii_case(host.host())
                && (port.is_none() || port == host.port_u16())
        };
        self.hosts.iter().any(is_it)
    }

    fn is_at_home(&self, page: &Origin, host: Option<&Authority>) -> bool {
        self.origins.contains(page) || host.is_some_and(|host| page.is_of(host))
    }
}

/// Whether a script asks for an event stream, or a person by the address bar. Anybody who may post a
/// picture, a style sheet or a frame can write its address, and a stream at that address would show
/// everybody who looks at it as present.
///
/// Every `EventSource` sends the `Accept`. A `fetch` without it is seen by `Sec-Fetch-Dest`.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let says_so = accepted.any(|value| {
        let mut kinds = value.to_str().unwrap_or_default().split(',');
        kinds.any(|kind| {
            let mut parts = kind.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS));
            is_it && !parts.any(is_refusal)
        })
    });
    let destination = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    says_so || matches!(destination, Some(b"empty" | b"document"))
}

/// Whether a parameter in `Accept` refuses the media type: `q=0`.
fn is_refusal(parameter: &str) -> bool {
    let is_none = |value: &str| value.starts_with('0') && value.chars().all(|c| "0.".contains(c));
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim_end().eq_ignore_ascii_case("q") && is_none(value.trim_start())
    })
}

/// The host that a request goes to. HTTP/2 has the authority instead of `Host`.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| uri.authority().map(Authority::as_str))?.parse().ok()
}

/// The origin of the page in `Referer`. `Some(None)` is a `Referer` without a usable origin.
fn referer(headers: &HeaderMap) -> Option<Option<Origin>> {
    let referer = headers.get(header::REFERER).filter(|referer| !referer.is_empty())?;
    let page = referer.to_str().ok().and_then(|page| page.parse::<Uri>().ok());
    Some(page.and_then(Origin::of_page))
}

fn has_sound_port(host: &Authority) -> bool {
    let name = host.host();
    let port = &host.as_str()[name.len()..];
    !name.is_empty() && (port.is_empty() || host.port_u16().is_some())
}

/// A page's origin: `https://example.com:8443`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Origin {
    scheme: Scheme,
    host: String,
    /// The scheme's own port if none is written.
    port: Option<u16>,
}

impl Origin {
    fn of(header: &HeaderValue) -> Option<Self> {
        Self::parse(header.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let uri = text.parse::<Uri>().ok()?;
        // An origin has no path, but `Uri` gives it `/`.
        let bare = !text.ends_with('/') && uri.path_and_query().is_none_or(|path| path == "/");
        Self::of_page(uri).filter(|_| bare)
    }

    fn of_page(uri: Uri) -> Option<Self> {
        let parts = uri.into_parts();
        let (scheme, authority) = (parts.scheme?, parts.authority?);
        (!authority.as_str().contains('@')).then(|| Self {
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().or_else(|| default_port(&scheme)),
            scheme,
        })
    }

    /// Whether the page came from this server. The scheme is not compared, because TLS may end in
    /// front of this server. It only says which port is left out.
    fn is_of(&self, server: &Authority) -> bool {
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
mod tests;
