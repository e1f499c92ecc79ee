//! Code at a place of the user's source. The compiler points at everything that an expression
//! spans, so all of its tokens are put at that place.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Path, spanned::Spanned};

use super::private::Private;

/// The place of the user's `tokens` for code of ours. The user's lints do not apply to it.
pub(super) fn at(tokens: &impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// Calls the user's function through a function of ours that checks its type. Every message
/// about that points at the user's path.
pub(super) fn call(path: &Path, by: &str, arguments: &[&str], private: &Private) -> TokenStream {
    let (span, private) = (at(path), private.at(at(path)));
    // At the attribute, which the message then shows as the call.
    let by = Ident::new(by, Span::call_site());
    let arguments = arguments.iter().map(|argument| Ident::new(argument, span));
    quote_spanned!(span=> #private::#by(#path, #(#arguments),*))
}
