//! The module of the runtime that the code refers to.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::args::Args;

/// The path of the module. It stands in the code many times. Its tokens are copied there one by
/// one, because joining two streams is a call into the compiler.
pub(super) struct Private(Vec<TokenTree>);

impl Private {
    /// The path of the attribute's `crate`, or that of the runtime.
    pub(super) fn of(args: &Args) -> Self {
        let runtime = match &args.runtime {
            Some(path) => path.value.to_token_stream(),
            None => quote!(::umbral_presence),
        };
        Self(quote!(#runtime::__private).into_iter().collect())
    }

    /// The same path at another place.
    pub(super) fn at(&self, span: Span) -> Self {
        let at = |token: &TokenTree| {
            let mut token = token.clone();
            token.set_span(span);
            token
        };
        Self(self.0.iter().map(at).collect())
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.iter().cloned());
    }
}
