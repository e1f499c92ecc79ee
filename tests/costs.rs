//! What a join costs, counted and not timed: the same in a room of a thousand and in one of a
//! hundred thousand. It has a process of its own for its allocator.

#![expect(clippy::print_stdout, reason = "the figures are for whoever runs it")]

use std::fs;

use perf_event::{Builder, Counter, events::Hardware};
use umbral_presence::__bench::{Room, Visitor};

/// How many come one after the other, while nobody else does.
const WAVE: u64 = 500;

/// A room with so many members, and a runtime in which its ticks end.
struct Crowd {
    runtime: tokio::runtime::Runtime,
    room: Room,
    _inside: Vec<Visitor>,
    last: u64,
}

impl Crowd {
    fn new(members: u64) -> Self {
        // Nothing runs in it unless the test waits: what is counted is the joining alone.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let entered = runtime.enter();
        let room = Room::new();
        let inside: Vec<_> = (0..members).map(|n| room.visitor(&format!("member-{n}"))).collect();
        inside.iter().for_each(|visitor| room.join(visitor));
        drop(entered);
        let mut crowd = Self { runtime, room, _inside: inside, last: 0 };
        crowd.settle();
        crowd
    }

    /// What is on its way arrives.
    fn settle(&mut self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while self.room.is_telling() {
            assert!(std::time::Instant::now() < deadline, "the group has told its members");
            let pause = std::time::Duration::from_millis(5);
            self.runtime.block_on(async { tokio::time::sleep(pause).await });
        }
    }

    /// What `count` gives of a wave of joins, for each of them. The first join, which has the
    /// others told, comes before.
    fn count(&mut self, count: impl FnOnce(&mut dyn FnMut()) -> u64) -> u64 {
        let _entered = self.runtime.enter();
        let names = (self.last..=self.last + WAVE).map(|n| format!("newcomer-{n}"));
        let wave: Vec<_> = names.map(|name| self.room.visitor(&name)).collect();
        self.last += WAVE + 1;
        self.room.join(&wave[0]);
        count(&mut || wave[1..].iter().for_each(|visitor| self.room.join(visitor))) / WAVE
    }
}

#[test]
fn a_join_costs_no_more_in_a_room_of_a_hundred_thousand_than_in_one_of_a_thousand() {
    let [small, large] = [1000, 100_000].map(|members| {
        let mut crowd = Crowd::new(members);
        let allocations = crowd.count(|run| allocation_counter::measure(run).count_total);
        // The middle one of several: in one a slab doubles, whoever's join that is, and in one others
        // have taken the counter.
        let waves = (0..15).map(|_| {
            crowd.settle();
            crowd.count(|run| Work::default().measure(run))
        });
        let mut waves: Vec<_> = waves.collect();
        waves.sort_unstable();
        (allocations, waves[waves.len() / 2])
    });
    println!("allocations and instructions of a join: {small:?}, {large:?}");
    // The list of names, the connection's subscription, the user's seat and the member; the slabs
    // of the group grow now and then.
    assert!(small.0.max(large.0) <= 5);
    assert!(large.1 <= small.1 + small.1 / 3);
}

/// Counts instructions, or nanoseconds of the processor where the machine counts no instructions.
#[derive(Default)]
struct Work(Option<Counter>);

impl Work {
    fn measure(&mut self, run: &mut dyn FnMut()) -> u64 {
        self.0 = Builder::new().kind(Hardware::INSTRUCTIONS).build().ok();
        let Some(counter) = &mut self.0 else {
            let before = on_processor();
            run();
            return on_processor() - before;
        };
        counter.enable().expect("a counter that was given");
        run();
        counter.disable().expect("a counter that was given");
        counter.read().expect("a counter that was given")
    }
}

/// How long this thread has run so far, in nanoseconds.
fn on_processor() -> u64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let time = times.split(' ').next().and_then(|field| field.parse().ok());
    time.expect("a number of nanoseconds")
}
