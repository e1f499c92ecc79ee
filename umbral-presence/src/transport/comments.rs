//! Takes the comments and the indentation out of the client's scripts, because every byte of a script
//! is sent to every browser.
//!
//! Every line stays, empty if it has to be, so that an error in a browser names the line of the
//! source. This is a parser for the project's own scripts only. The browser tests compare each token
//! that is served, and its line, with what a real parser finds in the source.

/// What the next piece of a script stands inside of.
enum Inside {
    /// The text of a template.
    Template,
    /// `${..}` of a template, with the number of braces that are open in it.
    Expression(usize),
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The script without comments, and without the blanks at both ends of a line and behind an opening
/// parenthesis. One blank takes the place of several. The text of a template stays as it is.
pub(super) fn without_comments(script: &str) -> String {
    let mut served = String::with_capacity(script.len());
    let mut inside = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        let is_code = !matches!(inside.last(), Some(Inside::Template));
        let length = if is_code {
            code(rest, served.trim_end(), &mut inside)
        } else {
            template(rest, &mut inside)
        };
        let (piece, left) = rest.split_at(length);
        rest = left;
        if !is_code {
            served.push_str(piece);
        } else if piece == "\n" {
            end_line(&mut served, 1);
        } else if piece.starts_with("//") || piece.starts_with("/*") {
            let lines = piece.matches('\n').count();
            if lines > 0 {
                end_line(&mut served, lines);
            }
            // Keeps the words on both sides of the comment apart.
            blank(&mut served);
        } else if piece.starts_with(BLANKS) {
            blank(&mut served);
        } else {
            served.push_str(piece);
        }
    }
    served
}

fn end_line(served: &mut String, lines: usize) {
    served.truncate(served.trim_end_matches(BLANKS).len());
    served.extend(std::iter::repeat_n('\n', lines));
}

fn blank(served: &mut String) {
    if !served.is_empty() && !served.ends_with([' ', '\n', '(']) {
        served.push(' ');
    }
}

/// The length of the next piece of a template's text.
fn template(text: &str, inside: &mut Vec<Inside>) -> usize {
    match text.as_bytes() {
        [b'`', ..] => {
            inside.pop();
            1
        }
        [b'$', b'{', ..] => {
            inside.push(Inside::Expression(0));
            2
        }
        [b'\\', ..] => 1 + first(&text[1..]),
        _ => first(text),
    }
}

/// The length of the next piece of code: a comment, a string, a regular expression, blanks, or one
/// character. `before` is the code so far.
fn code(text: &str, before: &str, inside: &mut Vec<Inside>) -> usize {
    match text.as_bytes() {
        [b'/', b'/', ..] => text.find('\n').unwrap_or(text.len()),
        [b'/', b'*', ..] => text[2..].find("*/").map_or(text.len(), |end| end + 4),
        [b'/', ..] if !is_value(before) => closed_by(text, b'/'),
        [quote @ (b'"' | b'\''), ..] => closed_by(text, *quote),
        [b' ' | b'\t', ..] => text.len() - text.trim_start_matches(BLANKS).len(),
        [b'`', ..] => {
            inside.push(Inside::Template);
            1
        }
        [brace @ (b'{' | b'}'), ..] => {
            match inside.last_mut() {
                Some(Inside::Expression(0)) if *brace == b'}' => drop(inside.pop()),
                Some(Inside::Expression(open)) if *brace == b'{' => *open += 1,
                Some(Inside::Expression(open)) => *open -= 1,
                _ => {}
            }
            1
        }
        _ => first(text),
    }
}

/// Whether a slash behind this code divides. Otherwise it begins a regular expression.
fn is_value(before: &str) -> bool {
    before.ends_with(|c: char| c.is_ascii_alphanumeric() || "_$)]}`\"'".contains(c))
}

fn first(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// The length of a string or a regular expression that begins here and ends with `end` on this line.
/// A slash in a class of characters does not end an expression.
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
    use super::without_comments;

    #[test]
    fn comments_go_and_lines_keep_their_numbers() {
        for (script, served) in [
            (
                "// one\nlet a;\n  /** two */\n/*\n three `\n*/\nlet b;\n",
                "\nlet a;\n\n\n\n\nlet b;\n",
            ),
            ("let a = 1; // one\nlet b;", "let a = 1;\nlet b;"),
            ("let a;\n// no line follows", "let a;\n"),
            ("let a; /* open\n", "let a;\n"),
        ] {
            assert_eq!(without_comments(script), served);
        }
    }

    #[test]
    fn what_stands_on_either_side_of_a_comment_stays_apart() {
        for (script, served) in [
            ("a = /** @type {any} */ (b);\n", "a = (b);\n"),
            ("f(/* a */ b, /* c */ d);\n", "f(b, d);\n"),
            ("let/* a */b; /* c */\n", "let b;\n"),
            ("return /* a\n*/ b;\n", "return\nb;\n"),
        ] {
            assert_eq!(without_comments(script), served);
        }
    }

    #[test]
    fn indentation_goes_but_for_that_of_a_templates_text() {
        let script = "if (a) {\n  b(`\n  c ${\n  d}\n`);\n\t}\n";
        assert_eq!(without_comments(script), "if (a) {\nb(`\n  c ${\nd}\n`);\n}\n");
    }

    #[test]
    fn what_looks_like_a_comment_within_a_template_stays() {
        let script = "let a = `\n// a\n/* b */\n${f({\n// c\nd: `\n// e\n`,\n})}\n// f\n`;\n// g\n";
        let served = script.replace("// c", "").replace("// g", "");
        assert_eq!(without_comments(script), served);
    }

    #[test]
    fn what_looks_like_a_comment_or_a_template_within_a_text_stays() {
        for code in
            ["'`'", "\"\\\"`\"", "'//'", "\"/*\"", "f(/[/`]`/)", "(/\\/`/)", "`\\``", "'\\'//'"]
        {
            let script = format!("let a = {code};\n// b\n");
            assert_eq!(without_comments(&script), format!("let a = {code};\n\n"));
        }
    }

    #[test]
    fn a_slash_behind_a_value_divides() {
        for code in
            ["a = b / c; d = `/`", "(a) / b; c = '`'", "a[0] / 2; b = /`/", "a\n/ b; c = '`'"]
        {
            assert_eq!(without_comments(&format!("{code};\n// d\n")), format!("{code};\n\n"));
        }
    }
}
