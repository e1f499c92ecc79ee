//! The value of `prefix` and of `exact`.

use proc_macro2::TokenStream;
use syn::{
    LitStr, Path, bracketed,
    parse::{Parse, ParseStream},
    token::Bracket,
};

use super::tokens::{remaining, split};

/// One text, a list of texts, or a constant.
pub(crate) enum Texts {
    One(LitStr),
    /// `strays` are the entries that are not texts. They are reported later, so that the
    /// texts beside them are checked too.
    List {
        bracket: Bracket,
        texts: Vec<LitStr>,
        strays: Vec<TokenStream>,
    },
    /// A path to a `const &str`.
    Const(Path),
}

impl Texts {
    /// The texts that are literals. A constant has none, because its text is not known here.
    pub(crate) fn literals(&self) -> &[LitStr] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::List { texts, .. } => texts,
            Self::Const(_) => &[],
        }
    }
}

impl Parse for Texts {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::One);
        }
        if !input.peek(Bracket) {
            return input.parse().map(Self::Const);
        }
        let list;
        let bracket = bracketed!(list in input);
        let (mut texts, mut strays) = (Vec::new(), Vec::new());
        for entry in split(remaining(&list)) {
            match syn::parse2(entry.clone()) {
                Ok(text) => texts.push(text),
                Err(_) => strays.push(entry),
            }
        }
        Ok(Self::List { bracket, texts, strays })
    }
}
