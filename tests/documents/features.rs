//! The features are listed where one looks for them.

use crate::page::{Page, read};

/// The features of the runtime crate that are for applications.
fn features() -> Vec<String> {
    let manifest = read("umbral-presence/Cargo.toml");
    let (_, after) = manifest.split_once("\n[features]\n").expect("a table of features");
    let table = after.split_once("\n[").map_or(after, |(table, _)| table);
    let names = table.lines().filter(|line| !line.starts_with('#'));
    let names = names.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned());
    names.filter(|name| !name.starts_with("__")).collect()
}

/// The first column of the table under the heading `Features`.
fn table(page: &Page) -> Vec<String> {
    let rows = page.lines().skip_while(|line| *line != "## Features").skip(1);
    let rows = rows.take_while(|line| !line.starts_with("## "));
    let names = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn both_readmes_list_the_features() {
    let features = features();
    assert!(features.contains(&"redis".to_owned()), "{features:?}");
    for path in ["README.md", "umbral-presence/README.md"] {
        assert_eq!(table(&Page::read(path)), features, "{path}");
    }
}

#[test]
fn docs_rs_shows_all_features() {
    let manifest = read("umbral-presence/Cargo.toml");
    let (_, after) =
        manifest.split_once("[package.metadata.docs.rs]").expect("settings of docs.rs");
    let (_, after) = after.split_once("features = [").expect("a list of features");
    let (list, _) = after.split_once(']').expect("the end of the list");
    let shown: Vec<_> = list.split(',').map(|name| name.trim().trim_matches('"')).collect();
    assert_eq!(shown, features());
}
