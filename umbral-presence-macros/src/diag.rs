//! Collects everything that is wrong with one attribute, so that it is reported together.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The errors that have been found so far. A drop before [`report`](Self::report) would lose
/// them, so it panics in a debug build.
pub(crate) struct Problems(Option<Vec<syn::Error>>);

impl Problems {
    pub(crate) fn new() -> Self {
        Self(Some(Vec::new()))
    }

    /// Adds an error at the tokens that are wrong, from the first of them to the last.
    pub(crate) fn at(&mut self, tokens: &impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds an error that concerns the attribute as a whole.
    pub(crate) fn at_attribute(&mut self, message: impl std::fmt::Display) {
        self.at_span(Span::call_site(), message);
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        if let Some(errors) = &mut self.0 {
            errors.push(error);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The number of errors so far. A rule that builds on others compares it before and after.
    pub(crate) fn count(&self) -> usize {
        self.0.as_ref().map_or(0, Vec::len)
    }

    /// The errors as tokens that make the compiler report them. Without errors there are no
    /// tokens.
    pub(crate) fn report(mut self) -> TokenStream {
        let errors = self.0.take().unwrap_or_default();
        errors.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The errors as texts, for a test to read.
    #[cfg(test)]
    pub(crate) fn messages(mut self) -> Vec<String> {
        self.0.take().unwrap_or_default().iter().map(ToString::to_string).collect()
    }
}

impl Drop for Problems {
    fn drop(&mut self) {
        debug_assert!(self.0.is_none() || std::thread::panicking(), "errors were not reported");
    }
}

/// The choice that is most similar to `word`, if it is similar enough to be what was meant.
pub(crate) fn did_you_mean(word: &str, choices: &[&'static str]) -> Option<&'static str> {
    let likeness = |choice: &&'static str| strsim::jaro_winkler(word, choice);
    let best = choices.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_kept() {
        let mut problems = Problems::new();
        assert!(problems.is_empty());
        problems.at_span(Span::call_site(), "one");
        problems.at_span(Span::call_site(), "two");
        assert_eq!(problems.messages(), ["one", "two"]);
    }

    #[test]
    fn a_misspelt_key_is_recognised_and_another_word_is_not() {
        let keys = ["prefix", "pattern", "resolver", "grace"];
        assert_eq!(did_you_mean("perfix", &keys), Some("prefix"));
        assert_eq!(did_you_mean("resolve", &keys), Some("resolver"));
        assert_eq!(did_you_mean("colour", &keys), None);
    }
}
