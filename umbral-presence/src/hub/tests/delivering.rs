//! Telling so many that a task does it, or that others come and go meanwhile.

use tokio::runtime::{Builder, Runtime};

use super::*;

/// So many that a task tells them.
const MANY: usize = 2100;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// A room of many who have read everything.
async fn crowd(hub: &Arc<Hub>) -> Vec<Session> {
    let members: Vec<_> = (0..MANY).map(|n| enter(hub, &format!("member-{n}"))).collect();
    sleep(LONG).await;
    members.iter().for_each(|member| drop(read(member)));
    members
}

/// How many frames wait for the first and for the last one.
fn told(members: &[Session]) -> [usize; 2] {
    [&members[0], &members[MANY - 1]].map(|member| read(member).len())
}

#[test]
fn a_runtime_that_ends_before_its_task_has_begun_leaves_nothing_untold() {
    let hub = hub();
    let before = runtime();
    let members = before.block_on(crowd(&hub));
    let newcomer = {
        let _runtime = before.enter();
        enter(&hub, "newcomer")
    };
    assert_eq!(told(&members), [0, 0], "the task has not begun");
    drop(before);
    assert_eq!((told(&members), read(&newcomer).len()), ([1, 1], 1));
    let other = runtime();
    other.block_on(async {
        sleep(LONG).await;
        let another = enter(&hub, "another");
        sleep(LONG).await;
        assert_eq!((told(&members), read(&another).len()), ([1, 1], 1), "the room goes on");
        drop((members, newcomer, another));
        sleep(LONG).await;
        assert_eq!((hub.group_count(), hub.user_count()), (0, 0));
    });
}

#[test]
fn a_grace_that_a_runtime_has_taken_along_is_over_in_the_next_one() {
    let long = PresenceSpec::prefixes(["room:"]).grace(Duration::from_secs(20));
    let hub = hub_of(long);
    runtime().block_on(async { drop(enter(&hub, "7")) });
    assert!(hub.contains(&room(), &user("7")));
    runtime().block_on(async {
        // Somebody who has nothing to do with it.
        let _other = enter_as(&hub, "8");
        sleep(Duration::from_secs(21)).await;
        assert_eq!((hub.group_count(), hub.user_count()), (0, 1));
    });
}
