//! Rooms of twenty in which somebody leaves and somebody else comes all the time, over both
//! transports: what that costs, and whether everybody knows who is left.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Failure,
    client::{Room, Transport, Visitor},
    crowd::Crowd,
    process::Server,
    settings::Settings,
    sheet::Sheet,
};

const CONNECTIONS: u32 = 4000;
const CHANGES: u32 = 4000;

/// Members of a room.
const ROOM: u32 = 20;

/// As many at once, a hundred times a second.
const AT_ONCE: usize = 5;
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let connections = settings.connections.unwrap_or(CONNECTIONS);
    let changes = settings.changes.unwrap_or(CHANGES);
    let rooms = connections.div_ceil(ROOM);
    let visitor = |user: u32| Visitor {
        user: Some(user),
        room: Room::Plain(user % rooms),
        transport: if (user / rooms).is_multiple_of(2) {
            Transport::Sse
        } else {
            Transport::WebSocket
        },
    };
    let name = format!("{connections} in rooms of {ROOM}, one leaves and one comes");
    for _ in 0..settings.rounds {
        for subject in settings.beside(None) {
            let server = Server::start(subject, settings).await?;
            let mut crowd = Crowd::new(server.subject, server.address);
            crowd.open((0..connections).map(visitor));
            crowd.settle().await?;
            let (cpu, memory) = (server.usage.cpu()?, server.usage.memory()?);
            let mut pace = interval(PAUSE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let newcomers: Vec<u32> = (connections..connections + changes).collect();
            for (nth, users) in newcomers.chunks(AT_ONCE).enumerate() {
                pace.tick().await;
                // Wherever they are: neither the oldest nor the newest all the time.
                for step in 0..users.len() {
                    let at = (nth * AT_ONCE + step) * 7919 % crowd.clients.len();
                    crowd.clients.swap_remove(at);
                }
                crowd.open(users.iter().copied().map(visitor));
            }
            let settled = crowd.settle().await?;
            sheet.time(
                &format!("{name}: CPU for both"),
                subject,
                (server.usage.cpu()? - cpu) / changes,
            );
            let grown = server.usage.memory()?.saturating_sub(memory);
            sheet.bytes(&format!("{name}: memory grown by"), subject, grown);
            sheet.wrong(&format!("{name}: wrong rosters"), subject, settled.wrong);
            server.stop().await?;
        }
    }
    Ok(())
}
