//! Code at a place of the user's source. The compiler points at everything that an expression
//! spans, so all of its tokens are put at that place.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::{Path, spanned::Spanned};

/// The place of the user's `tokens` for code of ours. The user's lints do not apply to it.
pub(super) fn at(tokens: &impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.span())
}

/// The same tokens at another place.
pub(super) fn placed(tokens: &TokenStream, span: Span) -> TokenStream {
    let token = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    tokens.clone().into_iter().map(token).collect()
}

/// Calls the user's function through a function of ours that checks its type. Every message
/// about that points at the user's path.
pub(super) fn call(
    path: &Path,
    by: &str,
    arguments: &[TokenStream],
    private: &TokenStream,
) -> TokenStream {
    let (span, by) = (at(path), format_ident!("{by}"));
    let (private, arguments) =
        (placed(private, span), arguments.iter().map(|argument| placed(argument, span)));
    quote_spanned!(span=> #private::#by(#path, #(#arguments),*))
}
