//! Users who reload all the time, and so are present all the time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tests::{Kind, Random};
use tokio::time::sleep;

use crate::{
    Remains,
    churner::Ending,
    reader::Reader,
    world::{GRACE, World},
};

const PREFIX: &str = "reloader-";

pub(crate) fn is_one(user: &str) -> bool {
    user.starts_with(PREFIX)
}

pub(crate) async fn reload(world: Arc<World>, n: u64, mut random: Random) -> Remains {
    let user = format!("{PREFIX}{n}");
    let mut page = open(&world, &user, &mut random).await;
    while !world.is_over() {
        let time = Duration::from_millis(random.below(600));
        page.read_for(&world, time).await;
        world.counted.reloads.count();
        if random.below(4) == 0 {
            // Another tab is open before this one is closed.
            let next = open(&world, &user, &mut random).await;
            random.pick(&Ending::SILENT).of(&world, page.client).await;
            page = next;
            continue;
        }
        // The server hears of the end after this, and has the new page before `open` returns.
        let gone = Instant::now();
        random.pick(&Ending::SILENT).of(&world, page.client).await;
        page = open(&world, &user, &mut random).await;
        if gone.elapsed() >= GRACE {
            *world.late_reloads.lock().entry(user.clone()).or_default() += 1;
        }
    }
    vec![page]
}

async fn open(world: &World, user: &str, random: &mut Random) -> Reader {
    loop {
        let kind = random.pick(&Kind::ALL);
        match Reader::open(world, kind, Some(user), &["room:0", "room:1"], true).await {
            Ok(reader) => return reader,
            // The server has not seen yet that earlier pages are gone.
            Err(429) => sleep(Duration::from_millis(10)).await,
            Err(status) => panic!("refused with {status}"),
        }
    }
}
