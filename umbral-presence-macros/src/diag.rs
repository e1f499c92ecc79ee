//! Everything that is wrong with one attribute, reported together.

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;

/// Collects errors. It must be read at the end: dropping it unread is a mistake of this
/// crate, and its tests would panic.
pub(crate) struct Problems(Option<Vec<syn::Error>>);

impl Problems {
    pub(crate) fn new() -> Self {
        Self(Some(Vec::new()))
    }

    /// Adds an error at the token that is wrong.
    pub(crate) fn at(&mut self, tokens: &impl Spanned, message: impl std::fmt::Display) {
        self.at_span(tokens.span(), message);
    }

    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        if let Some(errors) = &mut self.0 {
            errors.push(error);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(Vec::is_empty)
    }

    /// The errors as tokens that make the compiler report them; nothing where there are
    /// none.
    pub(crate) fn report(mut self) -> TokenStream {
        let errors = self.0.take().unwrap_or_default();
        errors.iter().map(syn::Error::to_compile_error).collect()
    }
}

impl Drop for Problems {
    fn drop(&mut self) {
        debug_assert!(self.0.is_none() || std::thread::panicking(), "errors were not reported");
    }
}

/// The one of `choices` that `word` may have been meant as.
pub(crate) fn did_you_mean(word: &str, choices: &[&'static str]) -> Option<&'static str> {
    let likeness = |choice: &&'static str| strsim::jaro_winkler(word, choice);
    let best = choices.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let keys = ["prefix", "pattern", "resolver", "grace"];
        assert_eq!(did_you_mean("perfix", &keys), Some("prefix"));
        assert_eq!(did_you_mean("resolve", &keys), Some("resolver"));
        assert_eq!(did_you_mean("colour", &keys), None);
    }
}
