//! Imports between the files of a crate form no circle, those between a `mod.rs` and its children
//! included, and those of the runtime point down the list of `ARCHITECTURE.md`. Tests may import what
//! they like. The crate of the attribute is read here too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Attribute, Item, ItemMod, ItemUse, UseTree,
    visit::{Visit, visit_file, visit_item_mod, visit_path},
};

/// The path of a module from the root of the crate.
type Module = Vec<String>;

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let cfgs = attributes.iter().filter_map(|attribute| attribute.meta.require_list().ok());
    cfgs.filter(|list| list.path.is_ident("cfg"))
        .any(|list| list.tokens.to_string().contains("test"))
}

/// Reads the files of a module and of those inside it, which are in `folder`.
fn read(module: &Module, file: &Path, folder: &Path, files: &mut BTreeMap<Module, syn::File>) {
    let text = fs::read_to_string(file).expect("a file of the crate");
    let parsed = syn::parse_file(&text).expect("Rust");
    for item in &parsed.items {
        if let Item::Mod(ItemMod { attrs, ident, content: None, .. }) = item
            && !is_for_tests(attrs)
        {
            let child = [module.as_slice(), &[ident.to_string()]].concat();
            // `__private` is in `private.rs`.
            let inside = folder.join(ident.to_string().trim_start_matches('_'));
            let of_its_own = inside.with_extension("rs");
            let file = if of_its_own.exists() { of_its_own } else { inside.join("mod.rs") };
            read(&child, &file, &inside, files);
        }
    }
    files.insert(module.clone(), parsed);
}

/// Finds the modules that one module names.
struct Imports<'f> {
    files: &'f BTreeMap<Module, syn::File>,
    module: &'f Module,
    /// How many modules inside the file are around what is looked at.
    depth: usize,
    found: BTreeSet<Module>,
}

impl Imports<'_> {
    /// Adds the file in which a path from this module is looked up.
    fn add(&mut self, path: &[String]) {
        let up = path.iter().take_while(|name| *name == "super").count();
        let (mut at, rest) = match path.first().map(String::as_str) {
            Some("crate") => (Vec::new(), &path[1..]),
            Some("self") => (self.module.clone(), &path[1..]),
            _ => {
                let above = up.saturating_sub(self.depth);
                (self.module[..self.module.len() - above].to_vec(), &path[up..])
            }
        };
        for name in rest {
            at.push(name.clone());
            if !self.files.contains_key(&at) {
                at.pop();
                break;
            }
        }
        if at != *self.module {
            self.found.insert(at);
        }
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(before, tree));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.add_tree(&[], &item.tree);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            self.depth += 1;
            visit_item_mod(self, item);
            self.depth -= 1;
        }
    }

    /// `pub(crate)` and `pub(super)` name a module and import nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|name| name.ident.to_string()).collect();
        self.add(&names);
        visit_path(self, path);
    }
}

/// Reads the crate in `folder`, of which `part` is a module: what each module imports.
fn imports(folder: &str, part: &[&str]) -> BTreeMap<Module, BTreeSet<Module>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = BTreeMap::new();
    read(&Vec::new(), &folder.join("lib.rs"), &folder, &mut files);
    assert!(files.keys().any(|module| module == part), "{} is not read", folder.display());
    let found = |(module, file): (&Module, _)| {
        let mut found = Imports { files: &files, module, depth: 0, found: BTreeSet::new() };
        visit_file(&mut found, file);
        (module.clone(), found.found)
    };
    files.iter().map(found).collect()
}

fn form_no_circle(mut imports: BTreeMap<Module, BTreeSet<Module>>) {
    // Whatever imports nothing that is left, or is imported by nothing that is left, is in no
    // circle.
    loop {
        let imported: BTreeSet<Module> = imports.values().flatten().cloned().collect();
        let left = imports.clone();
        imports.retain(|module, others| {
            imported.contains(module) && others.iter().any(|other| left.contains_key(other))
        });
        if imports.len() == left.len() {
            break;
        }
    }
    let lines = imports.iter().map(|(module, others)| {
        let others = others.iter().filter(|other| imports.contains_key(*other));
        let others: Vec<_> = others.map(|other| other.join("::")).collect();
        format!("{} imports {}", module.join("::"), others.join(", "))
    });
    assert!(imports.is_empty(), "there is a circle: {:#?}", lines.collect::<Vec<_>>());
}

#[test]
fn imports_of_the_runtime_form_no_circle() {
    form_no_circle(imports("src", &["hub", "core"]));
}

#[test]
fn imports_of_the_runtime_point_down_the_list() {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    let text = fs::read_to_string(text).expect("the architecture");
    let list =
        text.split("umbral-presence/src/\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, line) in list.expect("the list").lines().enumerate() {
        if let Some(line) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
            let names = line.split("  ").next().unwrap_or_default().split(", ");
            places
                .extend(names.map(|name| (name.trim_end_matches(".rs").trim_matches('/'), place)));
        }
    }
    let place_of = |module: &Module| {
        let name = module.first().map(|name| name.trim_start_matches('_'))?;
        Some(*places.get(name).unwrap_or_else(|| panic!("{name} is not in the list")))
    };
    let mut upward = BTreeSet::new();
    for (module, others) in imports("src", &["hub", "core"]) {
        // The root of the crate exports from everywhere.
        let Some(place) = place_of(&module) else { continue };
        let above = others.iter().filter(|other| place_of(other).is_some_and(|at| at < place));
        upward.extend(
            above.map(|other| format!("{} imports {}", module.join("::"), other.join("::"))),
        );
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn imports_of_the_attribute_form_no_circle() {
    form_no_circle(imports("../umbral-presence-macros/src", &["validate", "shape"]));
}
