//! Changes of a room that very many watch, one after the other: what it takes to tell one
//! change to one connection.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Failure,
    arrivals::{Arrivals, Part},
    client::{Room, Transport, Visitor},
    crowd::Crowd,
    process::Server,
    settings::Settings,
    sheet::Sheet,
    subject::Subject,
};

const WATCHERS: u32 = 9000;
const CHANGES: u32 = 12;

/// Longer than a tick of so large a room, so that each change is told at once.
const PAUSE: Duration = Duration::from_millis(250);

const ROOM: Room = Room::Plain(0);

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let watchers = settings.connections.unwrap_or(WATCHERS);
    let changes = settings.changes.unwrap_or(CHANGES);
    for _ in 0..settings.rounds {
        for transport in [Transport::Sse, Transport::WebSocket] {
            // The loop writes bytes, whatever they mean.
            let floor = (transport == Transport::Sse).then_some(Subject::Writes);
            for subject in settings.beside(floor) {
                let server = Server::start(subject, settings).await?;
                measure(server, transport, (watchers, changes), sheet).await?;
            }
        }
    }
    Ok(())
}

async fn measure(
    server: Server,
    transport: Transport,
    (watchers, changes): (u32, u32),
    sheet: &mut Sheet,
) -> Result<(), Failure> {
    let subject = server.subject;
    let name = format!("a change seen by {watchers} over {transport}");
    let mut crowd = Crowd::new(server.subject, server.address);
    let arrivals = Arrivals::of(0..changes, watchers);
    crowd.takes_part(Part::Told(arrivals.clone()));
    crowd.open((0..watchers).map(|_| Visitor { user: None, room: ROOM, transport }));
    crowd.settle().await?;
    crowd.takes_part(Part::Newcomer(arrivals.clone()));
    let cpu = server.usage.cpu()?;
    for (user, count) in (0..changes).zip(1..) {
        if subject == Subject::Ours {
            sleep(PAUSE).await;
        }
        crowd.open([Visitor { user: Some(user), room: ROOM, transport }]);
        // Where somebody is not told, that is found below.
        let _ = arrivals.wait_for(count).await;
    }
    crowd.settle().await?;
    let cpu = (server.usage.cpu()? - cpu) / changes / watchers;
    sheet.time(&format!("{name}: CPU a delivery"), subject, cpu);
    sheet.times(&format!("{name}: told to all"), subject, arrivals.told());
    server.stop().await?;
    Ok(())
}
