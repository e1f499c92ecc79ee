//! Code that uses a wrong declaration gets no errors of its own.

use umbral_presence::{Group, GroupName, InvalidGroupName, presence};

#[presence(prefix = "a b")]
pub struct Room(pub u64);

#[presence(prefix = "c d")]
pub struct Table;

#[presence(exact = "")]
pub struct Lobby;

#[presence(pattern = "doc:{it}")]
pub struct Doc {
    pub id: u64,
}

pub fn names() -> Result<[GroupName; 4], InvalidGroupName> {
    let room: Room = "room:7".parse()?;
    let doc: Doc = "doc:7".parse()?;
    Ok([room.group_name()?, Table::group(7)?, Lobby.group_name()?, doc.group_name()?])
}

fn main() {}
