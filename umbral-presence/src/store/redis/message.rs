//! Messages of a shard, as the scripts pack them: `[1, generation, before, version, node, kind, news]`,
//! in `MessagePack`.

use serde::Deserialize;

use super::{
    node::{Message, News, Position, Said},
    text::{self, Unreadable},
};

/// The version of the format. A message of another one is not read.
const FORMAT: u64 = 1;

/// What stands at the beginning of a message of any version.
#[derive(Deserialize)]
struct Packed<'a>(u64, &'a str, &'a str, &'a str, &'a str, &'a str, #[serde(borrow)] Vec<&'a str>);

/// Reads a message.
pub(super) fn read(bytes: &[u8]) -> Result<Message, Unreadable> {
    let packed = rmp_serde::from_slice(bytes);
    let Packed(format, generation, before, version, node, kind, news) =
        packed.map_err(|error| Unreadable::new("message", error.to_string()))?;
    if format != FORMAT {
        return Err(Unreadable::new("format of messages", format.to_string()));
    }
    let at =
        Position { generation: text::generation(generation)?, version: text::version(version)? };
    let news = match kind {
        "said" => News::Said(all_said(&news)?),
        "dead" => News::Dead,
        _ => return Err(Unreadable::new("kind of message", kind)),
    };
    Ok(Message { at, before: text::version(before)?, node: text::node(node)?, news })
}

fn all_said(news: &[&str]) -> Result<Vec<Said>, Unreadable> {
    let mut all: Vec<Said> = Vec::with_capacity(news.len() / 3);
    for parts in news.chunks(3) {
        let &[group, user, said] = parts else {
            return Err(Unreadable::new("word of a user", parts.concat()));
        };
        // Those of one group mostly stand together.
        let group = match all.last() {
            Some(last) if last.group.as_str() == group => last.group.clone(),
            _ => text::group(group)?,
        };
        let (user, payload) = (text::user(user)?, text::said(said)?);
        all.push(Said { group, user, payload });
    }
    Ok(all)
}
