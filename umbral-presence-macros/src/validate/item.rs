//! The rules of what the attribute stands on.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, DeriveInput};

use crate::diag::Problems;

/// The keywords of items that are not read as a struct.
const OTHER_ITEMS: [&str; 10] =
    ["fn", "trait", "impl", "mod", "const", "static", "type", "use", "extern", "macro_rules"];

/// The item could not be read at all. The error points at the keyword that says what it is.
pub(crate) fn unread(item: &TokenStream, error: syn::Error, problems: &mut Problems) {
    let keyword = item.clone().into_iter().find(|token| match token {
        TokenTree::Ident(ident) => OTHER_ITEMS.iter().any(|other| ident == other),
        _ => false,
    });
    match keyword {
        Some(keyword) => not_a_struct(&keyword, problems),
        None => problems.push(error),
    }
}

/// `keyword` begins something that cannot stand for a group.
pub(crate) fn not_a_struct(keyword: &impl ToTokens, problems: &mut Problems) {
    let found = keyword.to_token_stream();
    let message = format!(
        "`#[presence(..)]` goes on a struct, which names the group, and not on `{found}`; write \
         `struct Room;`, say"
    );
    problems.at(keyword, message);
}

/// A second attribute on the same struct would declare it twice.
pub(crate) fn given_once(second: &Attribute, problems: &mut Problems) {
    problems.at(second, "`#[presence(..)]` is given twice; give one, on one struct");
}

/// A generic struct would be many types with one name.
pub(crate) fn no_generics(item: &DeriveInput, problems: &mut Problems) {
    if !item.generics.params.is_empty() {
        let message = "a group's struct has no generic parameters; name the types of its fields";
        problems.at(&item.generics, message);
    } else if let Some(clause) = &item.generics.where_clause {
        problems.at(clause, "a group's struct has no where clause; leave it out");
    }
}
