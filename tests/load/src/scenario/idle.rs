//! Connections in rooms of ten that join and then do nothing: the memory that each keeps.

use crate::{
    Failure,
    client::{Room, Transport},
    crowd::Crowd,
    process::Server,
    settings::Settings,
    sheet::Sheet,
    subject::Subject,
    visitors::spread,
};

const CONNECTIONS: u32 = 4000;

/// They are there before, so that what is allocated once is not counted.
const EARLY: u32 = 200;

/// Members of a room.
const ROOM: u32 = 10;

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let connections = settings.connections.unwrap_or(CONNECTIONS);
    for _ in 0..settings.rounds {
        for transport in [Transport::Sse, Transport::WebSocket] {
            for subject in settings.beside(Subject::Bare) {
                let server = Server::start(subject, settings).await?;
                let mut crowd = Crowd::new(server.subject, server.address);
                crowd.open(spread(0..EARLY, ROOM, transport, Room::Plain));
                crowd.settle().await?;
                let before = server.usage.memory()?;
                let users = EARLY..EARLY + connections;
                crowd.open(spread(users, ROOM, transport, Room::Plain));
                crowd.settle().await?;
                let grown = server.usage.memory()?.saturating_sub(before);
                let name = format!("memory of an idle {transport} in rooms of {ROOM}");
                sheet.bytes(&name, subject, grown / u64::from(connections));
                server.stop().await?;
            }
        }
    }
    Ok(())
}
