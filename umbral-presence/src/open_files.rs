//! How many files this process may have open, of which each connection is one.

/// What to say where there may be more connections than files.
pub(crate) fn warning(connections: usize) -> Option<String> {
    let most = most()?;
    (connections >= most).then(|| {
        format!(
            "the limit connections is {connections} and this process may have {most} files open, \
             of which each connection is one, so that the last ones would not even be refused; \
             raise it (`ulimit -n`, `LimitNOFILE=` of systemd), or give connections less"
        )
    })
}

/// The limit of this process; `None` where there is none, or it is not known.
fn most() -> Option<usize> {
    // Only Linux tells it as a text.
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// `Max open files            1024                 524288               files`
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_where_there_is_one() {
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max processes             127235               127235               processes \n\
                 Max open files            {soft}                 524288               files     \n"
            )
        };
        assert_eq!(soft_limit(&limits("1024")), Some(1024));
        assert_eq!(soft_limit(&limits("unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn as_many_connections_as_files_are_warned_of_with_both_numbers() {
        let Some(most) = most() else {
            return;
        };
        assert_eq!(warning(most - 1), None);
        let warning = warning(most).unwrap();
        for part in [
            &format!("connections is {most}"),
            &format!("have {most} files"),
            "ulimit -n",
            "LimitNOFILE",
        ] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
    }
}
