//! The beginning of a text, since an error must not carry a megabyte into a log.

/// At most so many bytes of a text, without a part of a character.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (bytes, cut) in
            [(0, ""), (1, "a"), (2, "a"), (3, "a"), (4, "a€"), (5, "a€b"), (9, "a€b")]
        {
            assert_eq!(beginning("a€b", bytes), cut, "{bytes}");
        }
    }
}
