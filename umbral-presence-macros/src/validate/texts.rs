//! The rules of prefixes and of exact names.

use syn::LitStr;

use crate::{
    args::Texts,
    diag::Problems,
    name::{MAX_NAME_BYTES, is_refused, shown},
};

/// The texts of `prefix`.
pub(crate) fn prefixes(texts: &Texts, problems: &mut Problems) {
    not_an_empty_list(texts, "prefix = [\"room:\", \"table:\"]", problems);
    texts_only(texts, problems);
    for text in texts.literals() {
        if text.value().is_empty() {
            problems.at(text, "an empty prefix would match every group; write `\"room:\"`, say");
        }
        length(text.value().len(), text, problems);
        characters(text, problems);
    }
    each_once(texts, problems);
    none_covers_another(texts, problems);
}

/// The texts of `exact`.
pub(crate) fn names(texts: &Texts, problems: &mut Problems) {
    not_an_empty_list(texts, "exact = [\"lobby\", \"hall\"]", problems);
    texts_only(texts, problems);
    for text in texts.literals() {
        if text.value().is_empty() {
            problems.at(text, "a group's name is not empty; write `\"lobby\"`, say");
        }
        length(text.value().len(), text, problems);
        characters(text, problems);
    }
    each_once(texts, problems);
}

/// `bytes` is the length of the shortest name that `text` stands for.
pub(crate) fn length(bytes: usize, text: &LitStr, problems: &mut Problems) {
    if bytes > MAX_NAME_BYTES {
        let message = format!("{bytes} bytes; a group's name has at most {MAX_NAME_BYTES}");
        problems.at(text, message);
    }
}

/// A group's name holds no character that the runtime refuses.
pub(crate) fn characters(text: &LitStr, problems: &mut Problems) {
    let value = text.value();
    if value.starts_with('@') {
        let right = value.trim_start_matches('@');
        let message = format!(
            "'@' at byte 0; names that start with it are the library's own: write {right:?}, say"
        );
        problems.at(text, message);
    }
    if let Some((at, character)) = value.char_indices().find(|(_, c)| is_refused(*c)) {
        let right = value.replace(is_refused, "-");
        let message = format!(
            "{} at byte {at}; a group's name has no whitespace, invisible character or comma: \
             write {right:?}, say",
            shown(character)
        );
        problems.at(text, message);
    }
}

fn not_an_empty_list(texts: &Texts, right: &str, problems: &mut Problems) {
    if let Texts::List { bracket, texts, strays } = texts
        && texts.is_empty()
        && strays.is_empty()
    {
        let message = format!("an empty list matches no group; write `{right}`");
        problems.at_span(bracket.span.join(), message);
    }
}

/// Every entry of a list is a text in quotes.
fn texts_only(texts: &Texts, problems: &mut Problems) {
    if let Texts::List { strays, .. } = texts {
        for stray in strays {
            problems.at(stray, format!("`{stray}` is no text in quotes; write `\"room:\"`, say"));
        }
    }
}

fn each_once(texts: &Texts, problems: &mut Problems) {
    let texts = texts.literals();
    for (i, text) in texts.iter().enumerate() {
        if texts[..i].iter().any(|earlier| earlier.value() == text.value()) {
            problems
                .at(text, format!("{:?} stands in this list twice; leave one out", text.value()));
        }
    }
}

/// A prefix that begins with another prefix of the list adds no group.
fn none_covers_another(texts: &Texts, problems: &mut Problems) {
    for text in texts.literals() {
        let longer = text.value();
        let covers = |other: &&LitStr| {
            let shorter = other.value();
            !shorter.is_empty() && shorter != longer && longer.starts_with(&shorter)
        };
        if let Some(shorter) = texts.literals().iter().find(covers) {
            let shorter = shorter.value();
            problems.at(text, format!("{longer:?} is covered by {shorter:?}; leave it out"));
        }
    }
}
