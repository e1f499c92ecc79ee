//! Those who only look, some of them from the beginning.

use std::{sync::Arc, time::Duration};

use tests::{Kind, Random};

use crate::{
    Remains,
    reader::Reader,
    world::{ROOMS, World},
};

pub(crate) async fn watch(world: Arc<World>, n: u64, mut random: Random) -> Remains {
    if n >= 8 {
        world.sleep(world.seconds * u32::try_from(random.below(50)).expect("small") / 100).await;
    }
    // Every dialect twice from the beginning, and half of them as visitors.
    let kind = Kind::ALL[usize::try_from(n).expect("a small number") % 4];
    let user = (n % 8 >= 4).then(|| format!("watcher-{n}"));
    let opened = Reader::open(&world, kind, user.as_deref(), &ROOMS, true).await;
    let mut reader = opened.unwrap_or_else(|status| panic!("refused with {status}"));
    while !world.is_over() {
        reader.read_for(&world, Duration::from_millis(100)).await;
    }
    assert_eq!(reader.snapshots, ROOMS.len(), "one snapshot per room");
    vec![reader]
}
