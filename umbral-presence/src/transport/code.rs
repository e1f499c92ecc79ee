//! The codes of refusals, which clients read. The guide has a row for each (`docs/errors.md`).

/// Makes the codes, and their list.
macro_rules! codes {
    ($($(#[$attribute:meta])* $code:ident => $text:literal),* $(,)?) => {
        /// Why a request is refused, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code {
            $($(#[$attribute])* $code),*
        }

        impl Code {
            #[cfg(any(test, feature = "metrics"))]
            pub(super) const ALL: &[Self] = &[$(Self::$code),*];

            pub(super) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $text),*
                }
            }
        }
    };
}

codes! {
    BadQuery => "bad_query",
    BadVersion => "bad_version",
    BadGroup => "bad_group",
    BadJson => "bad_json",
    NotJson => "not_json",
    TooLarge => "too_large",
    TooSlow => "too_slow",
    NoEventStream => "no_event_stream",
    NoWebsocket => "no_websocket",
    LongHead => "long_head",
    Origin => "origin",
    Host => "host",
    Denied => "denied",
    Unauthenticated => "unauthenticated",
    NoAuth => "no_auth",
    IdentityChanged => "identity_changed",
    UnknownConnection => "unknown_connection",
    Identity => "identity",
    Policy => "policy",
    Revoked => "revoked",
    NoPresence => "no_presence",
    Full => "full",
    TooManyConnections => "too_many_connections",
    TooManyGroups => "too_many_groups",
    TooManyAnswers => "too_many_answers",
    TooFast => "too_fast",
    Busy => "busy",
    Draining => "draining",
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    NoNode => "no_node",
    Token => "token",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_guide_has_a_row_for_each_code_and_for_no_other() {
        let guide = include_str!("../../docs/errors.md");
        let (of_server, _of_browser) = guide.split_once("## In the browser").expect("a heading");
        // Each row has an anchor of this name, which the bodies of refusals link to.
        let row = |line: &'static str| {
            let (anchor, row) = line.strip_prefix("| <a id=\"")?.split_once("\"></a>`")?;
            let (code, _) = row.split_once('`')?;
            assert_eq!(anchor, code);
            Some(code)
        };
        let rows = of_server.lines().filter_map(row);
        let rows: Vec<_> = rows.collect();
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(rows.iter().copied().collect::<BTreeSet<_>>(), codes);
        assert_eq!(rows.len(), codes.len(), "a row for each");
    }
}
