//! Users who come and go with several connections, in every way there is.

use std::{sync::Arc, time::Duration};

use tests::{Client, Kind, Random, settled};
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    Remains,
    reader::Reader,
    world::{ROOMS, World},
};

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// As a page says goodbye, where it can.
    Goodbye,
    /// As a reload does.
    GoingAway,
    Dropped,
    Reset,
    HalfClosed,
}

impl Ending {
    /// Those that are no goodbye.
    pub(crate) const SILENT: [Self; 4] =
        [Self::GoingAway, Self::Dropped, Self::Reset, Self::HalfClosed];

    pub(crate) async fn of(self, world: &World, mut client: Client) {
        match self {
            Self::Goodbye => client.close(1000).await,
            Self::GoingAway => client.close(1001).await,
            Self::Dropped => drop(client),
            Self::Reset => {
                // The server may have been faster.
                let _ = client.socket().set_zero_linger();
            }
            Self::HalfClosed => {
                let _ = client.socket().shutdown().await;
                // Not waited for here: who did would not answer the pings of other connections.
                world.endings.lock().spawn(async move {
                    let end = async { while client.read().await.is_some() {} };
                    settled("the server closes too", end).await;
                });
            }
        }
    }
}

/// Stays at the end or not.
pub(crate) async fn come_and_go(world: Arc<World>, n: u64, mut random: Random) -> Remains {
    let user = format!("churner-{n}");
    let mut open: Remains = Vec::new();
    while !world.is_over() {
        match random.below(8) {
            0..=2 if open.len() < 3 => {
                let rooms = some_rooms(&mut random);
                let kind = random.pick(&Kind::ALL);
                match Reader::open(&world, kind, Some(&user), &rooms, true).await {
                    Ok(reader) => open.push(reader),
                    // The server has not seen yet that earlier ones are gone.
                    Err(429) => sleep(Duration::from_millis(20)).await,
                    Err(status) => panic!("refused with {status}"),
                }
            }
            3..=5 if !open.is_empty() => {
                let reader = open.swap_remove(random.index(open.len()));
                let ending = match random.below(5) {
                    0 => Ending::Goodbye,
                    _ => random.pick(&Ending::SILENT),
                };
                ending.of(&world, reader.client).await;
            }
            _ if !open.is_empty() => {
                let nth = random.index(open.len());
                open[nth].change_groups(&world, &mut random).await;
            }
            _ => {}
        }
        // More often than 20 times in a second nobody may change anything.
        let pause = Duration::from_millis(55 + random.below(200));
        if open.is_empty() {
            sleep(pause).await;
        }
        let count = u32::try_from(open.len()).expect("a small number").max(1);
        for reader in &mut open {
            reader.read_for(&world, pause / count).await;
        }
    }
    if random.below(2) == 0 { open } else { Vec::new() }
}

fn some_rooms(random: &mut Random) -> Vec<&'static str> {
    let rooms: Vec<_> = ROOMS.into_iter().filter(|_| random.below(2) == 0).collect();
    if rooms.is_empty() { vec![random.pick(&ROOMS)] } else { rooms }
}
