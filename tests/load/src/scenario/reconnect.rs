//! Everybody loses the connection at once, as when a proxy restarts, and comes back: from then
//! until everybody has the snapshot again.

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

const CONNECTIONS: u32 = 5000;

/// Members of a room.
const ROOM: u32 = 10;

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let users = settings.connections.unwrap_or(CONNECTIONS);
    let visitors = || spread(0..users, ROOM, Transport::Sse, Room::Lasting);
    let name = format!("{users} in rooms of {ROOM} lost and back");
    for _ in 0..settings.rounds {
        for subject in settings.beside(Subject::Bare) {
            let server = Server::start(subject, settings).await?;
            let mut crowd = Crowd::new(server.subject, server.address);
            crowd.open(visitors());
            crowd.settle().await?;
            let (cpu, start) = (server.usage.cpu()?, Instant::now());
            crowd.clients.clear();
            crowd.open(visitors());
            let settled = crowd.settle().await?;
            sheet.time(&format!("{name}: time"), subject, settled.last - start);
            sheet.time(&format!("{name}: CPU"), subject, server.usage.cpu()? - cpu);
            sheet.bytes(&format!("{name}: memory at most"), subject, server.usage.peak()?);
            sheet.wrong(&format!("{name}: wrong rosters"), subject, settled.wrong);
            server.stop().await?;
        }
    }
    Ok(())
}
