//! The application: it talks to the rooms, and far too much to the loud group.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::world::{LOUD, ROOMS, World};

pub(crate) async fn talk(world: Arc<World>) {
    let mut tick = interval(Duration::from_millis(20));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let pad = "x".repeat(8192);
    let mut n = 0_u64;
    while !world.is_over() {
        tick.tick().await;
        let message = json!({ "n": n, "pad": pad });
        let sent = world.server.realtime.to_group(LOUD).send("chat", &message).await;
        sent.expect("a valid name");
        if n.is_multiple_of(8) {
            for room in ROOMS {
                let message = json!({ "n": n / 8 });
                let sent = world.server.realtime.to_group(room).send("chat", &message).await;
                sent.expect("a valid name");
            }
        }
        n += 1;
    }
}
