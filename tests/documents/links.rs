//! Every link leads somewhere.

use std::{iter, path::Path};

use crate::page::{Page, pages, read, root};

/// The targets of the links and pictures of a line: `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    iter::from_fn(move || {
        let (_, after) = rest.split_once("](")?;
        let (target, left) = after.split_once(')')?;
        rest = left;
        Some(target)
    })
}

/// Pages that are read away from the repository: on a registry, or as documentation of the crate.
fn is_published(page: &Page) -> bool {
    let folders = ["umbral-presence/docs", "umbral-presence/client", "umbral-presence-macros"];
    page.path == Path::new("umbral-presence/README.md")
        || page.path == Path::new("umbral-presence/src/attribute.md")
        || folders.iter().any(|folder| page.path.starts_with(folder))
}

/// What is wrong with a link.
fn problem(page: &Page, target: &str) -> Option<String> {
    // Links to items are checked by rustdoc, and no test asks other servers.
    if target.contains("://") || target.contains("::") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, a)| (path, Some(a)));
    if !path.is_empty() && is_published(page) {
        return Some("the page is published without the file".to_owned());
    }
    let file = page.path.parent().unwrap_or(Path::new("")).join(path);
    let there = if path.is_empty() { page.path.clone() } else { file };
    if !root().join(&there).exists() {
        return Some("there is no such file".to_owned());
    }
    let anchor = anchor?;
    let anchors = Page::read(there.to_str()?).anchors();
    (!anchors.iter().any(|it| it == anchor)).then(|| format!("there are only {anchors:?}"))
}

#[test]
fn every_link_and_picture_exists() {
    let pages = pages();
    assert!(pages.len() > 15, "only {} pages were found", pages.len());
    let mut problems = Vec::new();
    let mut links = 0;
    for page in &pages {
        for target in page.lines().flat_map(targets) {
            links += 1;
            let path = page.path.display();
            problems.extend(problem(page, target).map(|it| format!("{path}: {target}: {it}")));
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_guide_lists_each_of_its_pages() {
    let guide = read("umbral-presence/src/guide.rs");
    for page in pages() {
        let Ok(name) = page.path.strip_prefix("umbral-presence/docs") else { continue };
        let name = name.file_stem().and_then(|it| it.to_str()).expect("a page has a name");
        for part in
            [format!("| [`{name}`] |"), format!("../docs/{name}.md"), format!("mod {name} {{}}")]
        {
            assert!(guide.contains(&part), "src/guide.rs has no `{part}`");
        }
    }
}
