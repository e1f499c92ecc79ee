//! The pages of the repository: its Markdown.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page, and where it is in the repository.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    text: String,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        Self { path: path.into(), text: read(path) }
    }

    /// The lines that are no code.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        let mut is_code = false;
        self.text.lines().filter(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        })
    }

    /// What `#…` may name: each heading, as GitHub makes an anchor of it.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for line in self.lines().filter(|line| line.starts_with('#')) {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
            let anchor = heading.chars().filter(is_kept).collect::<String>().replace(' ', "-");
            // A second heading of the same words gets a number.
            let same = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
        }
        anchors
    }
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    let file = root().join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All pages, but for those of dependencies and of what has been built.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root().join(&folder)).expect("a folder of the repository");
        for entry in entries.map(|entry| entry.expect("an entry of the folder")) {
            let name = entry.file_name().into_string().expect("names are UTF-8");
            let path = folder.join(&name);
            let is_ours = !name.starts_with('.') && name != "target" && name != "node_modules";
            if is_ours && entry.file_type().expect("the kind of the entry").is_dir() {
                folders.push(path);
            } else if Path::new(&name).extension().is_some_and(|it| it == "md") {
                pages.push(Page::read(path.to_str().expect("names are UTF-8")));
            }
        }
    }
    pages
}
