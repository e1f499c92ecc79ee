//! How long the head of a request may be, and what is kept of it for asking the identity resolver
//! again.

use axum::extract::OriginalUri;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri, header, request::Parts};

/// What is kept of a request: these headers, at most so many bytes of them, and these extensions.
#[derive(Debug)]
pub(crate) struct Keeps {
    names: Vec<HeaderName>,
    most: usize,
    extensions: Vec<KeptExtension>,
}

/// A type of extension that is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptExtension(fn(&Extensions, &mut Extensions));

impl KeptExtension {
    pub(crate) fn of<T: Clone + Send + Sync + 'static>() -> Self {
        Self(|all, kept| {
            if let Some(extension) = all.get::<T>() {
                kept.insert(extension.clone());
            }
        })
    }
}

/// A head that is too long to be held for as long as a stream is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLong {
    #[error("the request's line and headers have {bytes} bytes; a stream may have {most}")]
    Head { bytes: usize, most: usize },
    #[error(
        "the headers of the request that say who asks have {bytes} bytes; {most} are kept with \
         a stream"
    )]
    Kept { bytes: usize, most: usize },
}

/// Refuses a head that is too long. The HTTP server's buffer of the head stays with the stream,
/// even if nothing is kept here.
pub(crate) fn check_head(parts: &Parts, most: usize) -> Result<(), TooLong> {
    // In the request a header also has a colon, a space and the end of the line.
    let header = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let line = parts.uri.path().len() + parts.uri.query().unwrap_or_default().len();
    let bytes = line + parts.headers.iter().map(header).sum::<usize>();
    if bytes > most { Err(TooLong::Head { bytes, most }) } else { Ok(()) }
}

impl Keeps {
    /// Keeps the headers that say who the user is, and those that the application names.
    pub(crate) fn new(named: Vec<HeaderName>, most: usize, extensions: Vec<KeptExtension>) -> Self {
        let mut names = named;
        names.extend([header::COOKIE, header::AUTHORIZATION, header::HOST]);
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self { names, most, extensions }
    }

    /// The names of the headers.
    pub(super) fn in_words(&self) -> String {
        self.names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ")
    }

    /// A copy of the kept part of a head. A piece of the head itself is a slice of the buffer that
    /// the socket was read into, and would keep all of that buffer in memory.
    pub(super) fn of(&self, parts: &Parts) -> Result<Parts, TooLong> {
        let uri = without_query(&parts.uri);
        let values = || self.names.iter().flat_map(|name| values(&parts.headers, name));
        let bytes = uri.path().len()
            + values().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        if bytes > self.most {
            return Err(TooLong::Kept { bytes, most: self.most });
        }
        let (mut kept, ()) = Request::new(()).into_parts();
        kept.method = parts.method.clone();
        kept.version = parts.version;
        kept.headers.extend(values().map(|(name, value)| (name.clone(), copy(value))));
        // What a session layer has found says who asked then, and not who asks now.
        for KeptExtension(keep) in &self.extensions {
            keep(&parts.extensions, &mut kept.extensions);
        }
        if let Some(OriginalUri(original)) = parts.extensions.get() {
            kept.extensions.insert(OriginalUri(without_query(original)));
        }
        kept.uri = uri;
        Ok(kept)
    }
}

fn values<'a>(
    headers: &'a HeaderMap,
    name: &'a HeaderName,
) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
    headers.get_all(name).iter().map(move |value| (name, value))
}

fn copy(value: &HeaderValue) -> HeaderValue {
    let mut copy = HeaderValue::from_bytes(value.as_bytes()).expect("it is a header's value");
    copy.set_sensitive(value.is_sensitive());
    copy
}

/// The query names groups, and does not say who the user is.
fn without_query(uri: &Uri) -> Uri {
    let text = uri.to_string();
    let end = text.find('?').unwrap_or(text.len());
    text[..end].parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(cookie: usize) -> Parts {
        let request = Request::get("http://here/realtime/sse?groups=a")
            .header("cookie", "x".repeat(cookie))
            .header("authorization", "Bearer y")
            .header("x-session", "z")
            .header("accept", "a".repeat(300_000));
        request.extension(7_u8).extension(8_u16).body(()).expect("a request").into_parts().0
    }

    #[test]
    fn what_says_who_asks_is_kept_and_nothing_else() {
        let named = vec![HeaderName::from_static("x-session"), header::COOKIE];
        let keeps = Keeps::new(named, 1000, vec![KeptExtension::of::<u8>()]);
        let kept = keeps.of(&head(100)).unwrap();
        let mut names: Vec<_> = kept.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "cookie", "x-session"]);
        assert_eq!(kept.uri, "http://here/realtime/sse");
        assert_eq!(kept.extensions.get(), Some(&7_u8));
        assert_eq!(kept.extensions.get::<u16>(), None);
    }

    #[test]
    fn more_than_may_be_kept_is_too_long() {
        let keeps = Keeps::new(Vec::new(), 1000, Vec::new());
        let bytes = "/realtime/sse".len() + "cookie".len() + "authorizationBearer y".len();
        assert!(keeps.of(&head(1000 - bytes)).is_ok());
        let error = keeps.of(&head(1001 - bytes)).unwrap_err();
        assert_eq!(error, TooLong::Kept { bytes: 1001, most: 1000 });
    }
}
