//! The command line.

use std::path::PathBuf;

use accounts::OpenId;

/// What the example is started with.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) port: u16,
    /// Where the database is. Without it everything is in memory.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) issuer: Option<OpenId>,
}

impl Arguments {
    /// Reads the words after the program's name. An error is a sentence for whoever wrote them.
    pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let (mut port, mut folder) = (3002, None);
        let (mut issuer, mut audience) = (None, None);
        while let Some(word) = words.next() {
            let mut value = |example| {
                words.next().ok_or(format!("{word} needs a value; {word} {example} is an example"))
            };
            match word.as_str() {
                "--port" => port = number(&value("3003")?)?,
                "--folder" => folder = Some(value("/tmp")?.into()),
                "--issuer" => issuer = Some(value("http://127.0.0.1:8080")?),
                "--audience" => audience = Some(value("accounts")?),
                other => {
                    let options = "--port, --folder, or --issuer with --audience";
                    return Err(format!("{other:?} means nothing; use {options}"));
                }
            }
        }
        let issuer = match (issuer, audience) {
            (Some(issuer), Some(audience)) => Some(OpenId { issuer, audience }),
            (None, None) => None,
            _ => return Err("--issuer and --audience need each other".to_owned()),
        };
        Ok(Self { port, folder, issuer })
    }
}

fn number(word: &str) -> Result<u16, String> {
    let problem = |_| format!("{word:?} is not a port; use one up to 65535, or 0 for any free one");
    word.parse().map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_what_is_wrong_and_what_would_be_right() {
        let read = |line: &str| Arguments::read(line.split_whitespace().map(str::to_owned));
        let arguments = read("--folder /srv --port 0 --issuer http://a --audience b").unwrap();
        assert_eq!((arguments.port, arguments.folder), (0, Some("/srv".into())));
        assert_eq!(arguments.issuer.unwrap().audience, "b");
        for (line, wrong, right) in [
            ("--port 65536", "\"65536\"", "65535"),
            ("--folder", "--folder needs a value", "/tmp"),
            ("3003", "\"3003\"", "--port"),
            ("--issuer http://a", "--issuer", "--audience"),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(wrong) && message.contains(right), "{line}: {message}");
        }
    }
}
