//! The guide lists every span and every event that the source has, and no other.

use std::{collections::BTreeSet, fs, path::Path};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ItemMod, LitStr, Macro,
    visit::{Visit, visit_file, visit_item_mod},
};

/// A row of one of the tables: the level, the name or the message, and the fields.
type Row = (String, String, String);

/// The spans and the events of the source.
#[derive(Default)]
struct Found {
    spans: BTreeSet<Row>,
    events: BTreeSet<Row>,
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let cfgs = attributes.iter().filter_map(|attribute| attribute.meta.require_list().ok());
    cfgs.filter(|list| list.path.is_ident("cfg"))
        .any(|list| list.tokens.to_string().contains("test"))
}

/// The parts of a macro's arguments between commas.
fn parts(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    tokens.split(is_comma).map(<[TokenTree]>::to_vec).collect()
}

fn text(part: &[TokenTree]) -> Option<String> {
    let [TokenTree::Literal(literal)] = part else {
        return None;
    };
    syn::parse_str::<LitStr>(&literal.to_string()).ok().map(|text| text.value())
}

/// The name of a field: `%name`, `?name`, `name`, or `name = value`.
fn field(part: &[TokenTree]) -> Option<String> {
    part.iter().find_map(|token| match token {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    })
}

impl Found {
    fn read(folder: &Path) -> Self {
        let mut found = Self::default();
        for entry in fs::read_dir(folder).expect("a folder of the crate") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                let Self { spans, events } = Self::read(&path);
                found.spans.extend(spans);
                found.events.extend(events);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let source = fs::read_to_string(&path).expect("a file of the crate");
                visit_file(&mut found, &syn::parse_file(&source).expect("Rust"));
            }
        }
        found
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit_item_mod(self, item);
        }
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let name = called.path.segments.last().map(|name| name.ident.to_string());
        let name = name.unwrap_or_default();
        let (level, rows) = match name.strip_suffix("_span") {
            Some(level) => (level, &mut self.spans),
            None => (name.as_str(), &mut self.events),
        };
        if !["trace", "debug", "info", "warn", "error"].contains(&level) {
            // A macro that is none of these may have some within.
            if let Ok(block) = syn::parse2::<syn::Expr>(called.tokens.clone()) {
                self.visit_expr(&block);
            }
            return;
        }
        let (mut message, mut fields) = (String::new(), Vec::new());
        for part in parts(called.tokens.clone()) {
            // `target: ..` and `parent: ..`
            if let [_, TokenTree::Punct(colon), ..] = part.as_slice()
                && colon.as_char() == ':'
            {
                continue;
            }
            if let Some(text) = text(&part) {
                message = text;
            } else if message.is_empty() || name.ends_with("_span") {
                // After the message of an event come the values in it.
                fields.extend(field(&part).map(|name| format!("`{name}`")));
            }
        }
        rows.insert((level.to_owned(), message, fields.join(", ")));
    }
}

/// The rows below a heading of the guide, as far as the source says what is in them.
fn rows(guide: &str, heading: &str) -> BTreeSet<Row> {
    let (_, below) = guide.split_once(heading).expect("a heading");
    let below = below.split("\n## ").next().unwrap_or_default();
    let rows = below.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let mut cell = || cells.next().unwrap_or_default();
        (cell(), cell(), cell())
    })
    .collect()
}

/// Says of each difference what is to be written, or to be taken out.
fn compare(what: &str, found: &BTreeSet<Row>, listed: &BTreeSet<Row>) {
    let line = |(level, text, fields): &Row| format!("| {level} | {text} | {fields} |");
    let missing: Vec<_> = found.difference(listed).map(line).collect();
    let wrong: Vec<_> = listed.difference(found).map(line).collect();
    let (missing, wrong) = (missing.join("\n"), wrong.join("\n"));
    let is_same = missing.is_empty() && wrong.is_empty();
    assert!(is_same, "{what} that the guide lacks:\n{missing}\nand that it alone has:\n{wrong}");
}

#[test]
fn the_guide_has_every_span_and_every_event_with_its_fields_and_no_other() {
    let guide = include_str!("../../docs/observability.md");
    let found = Found::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(found.spans.len() >= 6 && found.events.len() >= 30, "the source is read");
    let spans: BTreeSet<_> = found
        .spans
        .into_iter()
        .map(|(level, name, fields)| (level, format!("`{name}`"), fields))
        .collect();
    compare("spans", &spans, &rows(guide, "## Spans"));
    compare("events", &found.events, &rows(guide, "## Events"));
}
