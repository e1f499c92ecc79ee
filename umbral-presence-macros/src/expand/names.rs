//! What the code calls its own constants.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};

use crate::model::Text;

/// The user's constant. The code names the constant's path once only, where its type stands,
/// so that a constant of another type is one error.
pub(super) fn constant(span: Span) -> Ident {
    Ident::new("__TEXT", span)
}

/// The declaration.
pub(super) fn declaration() -> Ident {
    format_ident!("__DECLARATION")
}

/// The pattern.
pub(super) fn pattern() -> Ident {
    format_ident!("__PATTERN")
}

/// How the fields are written and read.
pub(super) fn parts() -> Ident {
    format_ident!("__PARTS")
}

/// A prefix or an exact name as an expression.
pub(super) fn text(text: &Text) -> TokenStream {
    match text {
        Text::Literal(text) => text.to_token_stream(),
        Text::Constant(_) => constant(Span::call_site()).into_token_stream(),
    }
}
