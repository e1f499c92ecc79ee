//! Connections that are opened one after the other, each by a user with a room of its own:
//! the processor time that one takes to open and to join.

use std::time::Instant;

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

const CONNECTIONS: u32 = 2000;

/// They are there before, so that what happens once is not counted.
const EARLY: u32 = 200;

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let connections = settings.connections.unwrap_or(CONNECTIONS);
    for _ in 0..settings.rounds {
        for transport in [Transport::Sse, Transport::WebSocket] {
            for subject in settings.beside(Subject::Bare) {
                let server = Server::start(subject, settings).await?;
                let mut crowd = Crowd::new(server.subject, server.address).one_by_one();
                crowd.open(spread(0..EARLY, 1, transport, Room::Plain));
                crowd.settle().await?;
                let (cpu, start) = (server.usage.cpu()?, Instant::now());
                crowd.open(spread(EARLY..EARLY + connections, 1, transport, Room::Plain));
                let settled = crowd.settle().await?;
                let cpu = (server.usage.cpu()? - cpu) / connections;
                sheet.time(
                    &format!("CPU to open a connection and join, {transport}"),
                    subject,
                    cpu,
                );
                let time = (settled.last - start) / connections;
                sheet.time(
                    &format!("time to open a connection and join, {transport}"),
                    subject,
                    time,
                );
                server.stop().await?;
            }
        }
    }
    Ok(())
}
