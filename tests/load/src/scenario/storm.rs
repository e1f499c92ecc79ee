//! Everybody comes at once, into one room or into rooms of ten: from the first request until
//! all is quiet.

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

const ONE_ROOM: u32 = 2000;
const SMALL_ROOMS: u32 = 8000;

/// Members of a small room.
const SMALL: u32 = 10;

pub(super) async fn one_room(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let users = settings.connections.unwrap_or(ONE_ROOM);
    let name = format!("storm of {users} into one room");
    for _ in 0..settings.rounds {
        for subject in settings.beside(None) {
            measure(subject, settings, (users, users), &name, sheet).await?;
        }
    }
    Ok(())
}

pub(super) async fn small_rooms(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let users = settings.connections.unwrap_or(SMALL_ROOMS);
    let name = format!("storm of {users} into rooms of {SMALL}");
    for _ in 0..settings.rounds {
        for subject in settings.beside(None) {
            measure(subject, settings, (users, SMALL), &name, sheet).await?;
        }
    }
    Ok(())
}

async fn measure(
    subject: Subject,
    settings: &Settings,
    (users, size): (u32, u32),
    name: &str,
    sheet: &mut Sheet,
) -> Result<(), Failure> {
    let server = Server::start(subject, settings).await?;
    let mut crowd = Crowd::new(server.subject, server.address);
    let (cpu, start) = (server.usage.cpu()?, Instant::now());
    crowd.open(spread(0..users, size, Transport::Sse, Room::Plain));
    let settled = crowd.settle().await?;
    sheet.time(&format!("{name}: time"), subject, settled.last - start);
    sheet.time(&format!("{name}: CPU"), subject, server.usage.cpu()? - cpu);
    sheet.bytes(&format!("{name}: memory at most"), subject, server.usage.peak()?);
    sheet.bytes(&format!("{name}: bytes received"), subject, crowd.bytes());
    sheet.wrong(&format!("{name}: wrong rosters"), subject, settled.wrong);
    server.stop().await?;
    Ok(())
}
