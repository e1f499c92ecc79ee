//! A large room into which one user comes after the other, slowly: what each join takes until
//! everybody has been told.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Failure,
    arrivals::{Arrivals, Part},
    client::{Room, Transport},
    crowd::Crowd,
    process::Server,
    settings::Settings,
    sheet::Sheet,
    subject::Subject,
    visitors::spread,
};

const MEMBERS: u32 = 5000;
const JOINS: u32 = 500;

/// A hundred joins a second.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn run(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let members = settings.connections.unwrap_or(MEMBERS);
    let joins = settings.changes.unwrap_or(JOINS);
    let name = format!("100 joins a second into a room of {members}");
    for _ in 0..settings.rounds {
        let server = Server::start(Subject::Ours, settings).await?;
        let mut crowd = Crowd::new(server.subject, server.address);
        let arrivals = Arrivals::of(members..members + joins, members);
        crowd.takes_part(Part::Told(arrivals.clone()));
        crowd.open(spread(0..members, members, Transport::Sse, |_| Room::Plain(0)));
        crowd.settle().await?;
        crowd.takes_part(Part::Newcomer(arrivals.clone()));
        let cpu = server.usage.cpu()?;
        let mut pace = interval(PAUSE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for user in members..members + joins {
            pace.tick().await;
            crowd.open(spread(user..user + 1, 1, Transport::Sse, |_| Room::Plain(0)));
        }
        crowd.settle().await?;
        let cpu = (server.usage.cpu()? - cpu) / joins;
        sheet.time(&format!("{name}: CPU a join"), Subject::Ours, cpu);
        sheet.times(&format!("{name}: told to all"), Subject::Ours, arrivals.told());
        server.stop().await?;
    }
    Ok(())
}
