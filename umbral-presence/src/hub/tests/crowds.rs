//! A crowd that comes and goes, and a few who stay.

use super::*;
use crate::group::State;

/// How many there is room for in the tables of the room.
fn capacity(hub: &Hub) -> usize {
    hub.with_group(&room(), State::capacity).expect("the room is there")
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_has_gone_holds_no_memory_of_a_room_that_stays() {
    let hub = hub();
    let stays = enter(&hub, "stays");
    let crowd: Vec<_> = (0..3000).map(|n| enter(&hub, &format!("user-{n}"))).collect();
    sleep(LONG).await;
    assert!(capacity(&hub) >= 3000);
    for (n, mut member) in crowd.into_iter().enumerate() {
        if n.is_multiple_of(2) {
            member.say_goodbye();
        }
    }
    // Their graces end, and it is forgotten how often they came and went.
    for _ in 0..4 {
        while stays.next().now_or_never().is_some() {}
        sleep(LONG).await;
    }
    assert_eq!((hub.count(&room()), hub.user_count()), (1, 1));
    let left = capacity(&hub);
    assert!(left < 300, "room for {left} things");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_waited_for_a_batch_resolver_holds_none_either() {
    let hub = hub_of(PresenceSpec::prefixes(["room:"]).batch_resolver(|users, _| async move {
        sleep(Duration::from_secs(1)).await;
        users.into_iter().map(|user| (user, true.into())).collect()
    }));
    let mut stays = Watch::new(hub.clone(), &room());
    let crowd: Vec<_> = (0..3000).map(|n| enter(&hub, &format!("user-{n}"))).collect();
    sleep(LONG).await;
    assert_eq!(hub.count(&room()), 3000);
    drop(crowd);
    sleep(5 * LONG).await;
    while stays.next().now_or_never().is_some() {}
    let left = capacity(&hub);
    assert!(left < 300, "room for {left} things");
}
