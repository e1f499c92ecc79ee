//! Takes the comments and the indentation out of the client's scripts, which are commented where
//! they are written: every byte of a script is sent to every browser.
//!
//! Only comments that have their lines to themselves go, and their lines stay, empty, so that an
//! error in a browser names the line of the source. This reads the project's own scripts and is
//! no parser for anybody's: the browser tests compare what is served with what a real one reads.

/// What a scanner of code is in the middle of, at the start of a line.
enum Inside {
    /// The text of a template.
    Template,
    /// `${..}` of a template, with so many braces open in it.
    Expression(usize),
}

/// The script with each line empty that holds nothing but a comment, and the others without
/// their indentation.
pub(super) fn blanked(script: &str) -> String {
    let mut served = String::with_capacity(script.len());
    let mut inside = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        // Within a template the blanks are text.
        let is_code = inside.is_empty();
        let comment = if is_code { whole_lines(rest) } else { 0 };
        let (taken, left) = if comment > 0 {
            let (comment, left) = rest.split_at(comment);
            served.extend(comment.matches('\n'));
            (0, left)
        } else {
            (after_line(rest, &mut inside), rest)
        };
        let (line, left) = left.split_at(taken);
        served.push_str(if is_code { line.trim_start_matches([' ', '\t']) } else { line });
        rest = left;
    }
    served
}

/// The length of the comment that begins here and ends with the end of a line; else 0.
fn whole_lines(text: &str) -> usize {
    let begin = text.len() - text.trim_start_matches([' ', '\t']).len();
    let comment = &text[begin..];
    let end = if comment.starts_with("//") {
        begin
    } else if let Some(length) = comment.strip_prefix("/*").and_then(|text| text.find("*/")) {
        begin + 2 + length + 2
    } else {
        return 0;
    };
    let line = text[end..].find('\n').map_or(text.len(), |length| end + length + 1);
    let is_alone = comment.starts_with("//") || text[end..line].trim().is_empty();
    if is_alone { line } else { 0 }
}

/// The length of a line of code, or of the lines that strings and comments within it make one.
fn after_line(text: &str, inside: &mut Vec<Inside>) -> usize {
    let bytes = text.as_bytes();
    // What stands before a slash tells a regular expression from a division.
    let mut before = b'\n';
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &text[at..];
        at += match (inside.last_mut(), byte) {
            (_, b'\n') => return at + 1,
            (_, b'\\') => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            (Some(Inside::Template), b'`') | (Some(Inside::Expression(0)), b'}') => {
                inside.pop();
                1
            }
            (Some(Inside::Template), _) if rest.starts_with("${") => {
                inside.push(Inside::Expression(0));
                2
            }
            (Some(Inside::Template), _) => rest.chars().next().map_or(1, char::len_utf8),
            (_, b'`') => {
                inside.push(Inside::Template);
                1
            }
            (Some(Inside::Expression(open)), b'{' | b'}') => {
                *open = if byte == b'{' { *open + 1 } else { *open - 1 };
                1
            }
            (_, b'"' | b'\'') => closed_by(rest, byte),
            (_, b'/') if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            (_, b'/') if rest.starts_with("/*") => {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            }
            (_, b'/') if !(before.is_ascii_alphanumeric() || b"_$)]}".contains(&before)) => {
                closed_by(rest, byte)
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        if byte != b' ' {
            before = byte;
        }
    }
    at
}

/// The length of a string or a regular expression that begins here and ends with `end`, on this
/// line. A slash in a class of characters does not end the expression.
fn closed_by(text: &str, end: u8) -> usize {
    let mut is_escaped = false;
    let mut in_class = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'[' if end == b'/' => in_class = true,
            b']' => in_class = false,
            b'\n' => return at,
            _ if byte == end && !in_class => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::blanked;

    #[test]
    fn comments_that_have_their_lines_to_themselves_go_and_lines_keep_their_numbers() {
        let script =
            "// one\nlet a = 1; // stays\n  // two\n  /** three */\n/*\n four `\n*/\nlet b;\n";
        assert_eq!(blanked(script), "\nlet a = 1; // stays\n\n\n\n\n\nlet b;\n");
        assert_eq!(blanked("let a;\n// no line follows"), "let a;\n");
    }

    #[test]
    fn indentation_goes_but_for_that_of_a_template() {
        let script = "if (a) {\n  b(`\n  c ${\n  d}\n`);\n\t}\n";
        assert_eq!(blanked(script), "if (a) {\nb(`\n  c ${\n  d}\n`);\n}\n");
    }

    #[test]
    fn a_comment_beside_code_stays() {
        for script in ["/* a */ let b;\n", "/* a\n*/ let b;\n", "f(/* `a */);\n// b\n", "/* open"] {
            assert_eq!(blanked(script), script.replace("// b", ""), "{script}");
        }
    }

    #[test]
    fn what_looks_like_a_comment_within_a_template_stays() {
        let script = "let a = `\n// a\n/* b */\n${f({\n// c\nd: `\n// e\n`,\n})}\n// f\n`;\n// g\n";
        assert_eq!(blanked(script), script.replace("// g", ""));
    }

    #[test]
    fn a_backtick_in_a_string_a_comment_or_an_expression_begins_no_template() {
        for code in ["'`'", "\"\\\"`\"", "1; // `", "1 /* ` */", "f(/[/`]`/)", "(/\\/`/)", "`\\``"]
        {
            assert_eq!(
                blanked(&format!("let a = {code};\n// b\n")),
                format!("let a = {code};\n\n")
            );
        }
        assert_eq!(blanked("a = b / c; d = `/`;\n// e\n"), "a = b / c; d = `/`;\n\n");
    }
}
