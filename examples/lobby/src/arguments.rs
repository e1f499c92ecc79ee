//! The command line.

/// What the lobby is started with.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) port: u16,
    /// The address of the Redis server that several nodes share.
    pub(crate) redis: Option<String>,
}

impl Arguments {
    /// Reads the words after the program's name. An error is a sentence for whoever wrote them.
    pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let mut arguments = Self { port: 3000, redis: None };
        while let Some(word) = words.next() {
            let mut value = |example| {
                words.next().ok_or(format!("{word} needs a value; {word} {example} is an example"))
            };
            match word.as_str() {
                "--port" => arguments.port = port(&value("3001")?)?,
                "--redis" => arguments.redis = Some(value("redis://127.0.0.1:6379")?),
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option:?}; use --port and --redis"));
                }
                bare => arguments.port = port(bare)?,
            }
        }
        Ok(arguments)
    }
}

fn port(word: &str) -> Result<u16, String> {
    let problem = |_| format!("{word:?} is not a port; use one up to 65535, or 0 for any free one");
    word.parse().map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, String> {
        Arguments::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_port_may_stand_alone() {
        let on = |port| Ok(Arguments { port, redis: None });
        assert_eq!([read(""), read("0"), read("--port 3001")], [on(3000), on(0), on(3001)]);
        let redis = Some("redis://host".to_owned());
        assert_eq!(read("--redis redis://host 3001"), Ok(Arguments { port: 3001, redis }));
    }

    #[test]
    fn a_message_names_what_is_wrong_and_what_would_be_right() {
        for (line, wrong, right) in [
            ("65536", "\"65536\"", "65535"),
            ("--port x", "\"x\"", "65535"),
            ("--redis", "--redis needs a value", "redis://127.0.0.1:6379"),
            ("--prot 3001", "\"--prot\"", "--port"),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(wrong) && message.contains(right), "{line}: {message}");
        }
    }
}
