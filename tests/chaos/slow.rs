//! Readers that stop for seconds, and then go on.

use std::{sync::Arc, time::Duration};

use tests::{Kind, Random};

use crate::{
    Remains,
    churner::Ending,
    reader::Reader,
    world::{LOUD, World},
};

pub(crate) async fn stop_and_go(world: Arc<World>, n: u64, mut random: Random) -> Remains {
    let user = format!("slow-{n}");
    let mut open = None;
    while !world.is_over() {
        let mut reader = match open.take() {
            Some(reader) => reader,
            None => {
                let kind = random.pick(&Kind::ALL);
                let groups = ["room:0", "room:3", LOUD];
                let opened = Reader::open(&world, kind, Some(&user), &groups, false).await;
                opened.unwrap_or_else(|status| panic!("refused with {status}"))
            }
        };
        reader.read_for(&world, Duration::from_millis(200)).await;
        world.sleep(Duration::from_millis(random.below(6000))).await;
        if random.below(5) == 0 {
            // Gone while everything is full.
            random.pick(&Ending::SILENT[..3]).of(&world, reader.client).await;
        } else {
            reader.read_for(&world, Duration::from_millis(random.below(1000))).await;
            open = Some(reader);
        }
    }
    open.into_iter().collect()
}
