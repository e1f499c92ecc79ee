//! Connections in memory, through hyper as axum serves it: more than a process may have open
//! files. What is measured holds the clients too, in the floor as in ours.

use std::{io, net::SocketAddr};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::io::{DuplexStream, duplex};
use umbral_presence::Limits;

use super::Cost;
use crate::{
    Failure,
    arrivals::{Arrivals, Part},
    client::{Room, Transport, Visitor},
    crowd::Crowd,
    serve::{bare, ours},
    subject::Subject,
    usage::Usage,
    visitors::spread,
};

/// So much may be on its way; both directions keep as much.
const PIPE: usize = 1024;

/// Members of a room.
const ROOM: u32 = 10;

/// They are there before, so that what is allocated once is not counted.
const EARLY: u32 = 100;

const CHANGES: u32 = 5;

/// What a connection in a room of ten takes to open, and keeps.
pub(super) async fn rooms(subject: Subject, count: u32) -> Result<Cost, Failure> {
    let router = router(subject)?;
    let mut crowd = Crowd::new(subject, host()).plain();
    let visitors = |users| spread(users, ROOM, Transport::Sse, Room::Plain);
    crowd.open_on(visitors(0..EARLY), |_| connect(router.clone()));
    crowd.settle().await?;
    let (memory, cpu) = (Usage::own().memory()?, Usage::own().cpu()?);
    crowd.open_on(visitors(EARLY..EARLY + count), |_| connect(router.clone()));
    crowd.settle().await?;
    let memory = Usage::own().memory()?.saturating_sub(memory) / u64::from(count);
    Ok(Cost { memory, cpu: (Usage::own().cpu()? - cpu) / count })
}

/// What it takes to tell one of so many watchers of one change.
pub(super) async fn watchers(count: u32) -> Result<Cost, Failure> {
    let (router, room) = (router(Subject::Ours)?, Room::Plain(0));
    let mut crowd = Crowd::new(Subject::Ours, host()).plain();
    let arrivals = Arrivals::of(0..CHANGES, count);
    let visitor = |user| Visitor { user, room, transport: Transport::Sse };
    crowd.takes_part(Part::Told(arrivals.clone()));
    crowd.open_on((0..count).map(|_| visitor(None)), |_| connect(router.clone()));
    crowd.settle().await?;
    crowd.takes_part(Part::Newcomer(arrivals.clone()));
    let (memory, cpu) = (Usage::own().memory()?, Usage::own().cpu()?);
    for (user, told) in (0..CHANGES).zip(1..) {
        crowd.open_on([visitor(Some(user))], |_| connect(router.clone()));
        arrivals.wait_for(told).await?;
    }
    let cpu = (Usage::own().cpu()? - cpu) / CHANGES / count;
    crowd.settle().await?;
    let memory = Usage::own().memory()?.saturating_sub(memory) / u64::from(count);
    Ok(Cost { memory, cpu })
}

/// As many as there may be.
fn router(subject: Subject) -> Result<Router, Failure> {
    const MOST: usize = 10_000_000;
    let limits = Limits { connections: MOST, anonymous: Some(MOST), ..Limits::default() };
    match subject {
        Subject::Ours => ours::router(limits, None),
        _ => Ok(bare::router()),
    }
}

/// Nobody listens there.
fn host() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 80))
}

async fn connect(router: Router) -> io::Result<DuplexStream> {
    let (ours, theirs) = duplex(PIPE);
    tokio::spawn(async move {
        let server = Builder::new(TokioExecutor::new());
        let service = TowerToHyperService::new(router);
        // It ends when the client is gone.
        let _ = server.serve_connection_with_upgrades(TokioIo::new(theirs), service).await;
    });
    Ok(ours)
}
