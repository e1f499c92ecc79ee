//! What a join costs, counted and not timed: the same in a room of a thousand and in one of a
//! hundred thousand. It has a process of its own for its allocator.

#![expect(clippy::print_stdout, reason = "the figures are for whoever runs it")]

use perf_event::{Builder, events::Hardware};
use umbral_presence::__bench::{Room, Visitor};

/// How many come one after the other, while nobody else does.
const WAVE: u64 = 500;

/// How many waves there are.
const WAVES: usize = 15;

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

    /// Has `measure` run a wave of joins. The first join, which has the others told, comes before.
    fn run(&mut self, measure: impl FnOnce(&mut dyn FnMut())) {
        let _entered = self.runtime.enter();
        let names = (self.last..=self.last + WAVE).map(|n| format!("newcomer-{n}"));
        let wave: Vec<_> = names.map(|name| self.room.visitor(&name)).collect();
        self.last += WAVE + 1;
        self.room.join(&wave[0]);
        measure(&mut || wave[1..].iter().for_each(|visitor| self.room.join(visitor)));
    }
}

#[test]
fn a_join_costs_no_more_in_a_room_of_a_hundred_thousand_than_in_one_of_a_thousand() {
    let mut crowds = [1000, 100_000].map(Crowd::new);
    let allocations = medians(&mut crowds, allocations).expect("a counter");
    let ([small, large], unit) = match medians(&mut crowds, instructions) {
        Some(costs) => (costs, "instructions"),
        None => (medians(&mut crowds, nanoseconds).expect("a clock"), "ns"),
    };
    println!("a join: {allocations:?} allocations, {small} and {large} {unit}");
    // The list of names, the connection's subscription, the user's seat and the member; the slabs
    // of the group grow now and then.
    assert!(allocations.into_iter().all(|count| count <= 5), "{allocations:?}");
    assert!(large <= small + small / 3, "{small} -> {large} {unit}");
}

/// What a piece of work costs, or nothing where that could not be seen.
type Measure = fn(&mut dyn FnMut()) -> Option<u64>;

/// The middle one of several waves in each room: in one a slab doubles, whoever's join that is.
/// The rooms take turns, so that what else the machine does costs both the same. Nothing where the
/// cost of most waves could not be seen.
fn medians(crowds: &mut [Crowd; 2], measure: Measure) -> Option<[u64; 2]> {
    let wave = |crowd: &mut Crowd| {
        crowd.settle();
        let mut seen = None;
        crowd.run(|joins| seen = measure(joins));
        seen
    };
    let both = (0..4 * WAVES).filter_map(|_| {
        let [small, large] = crowds.each_mut().map(wave);
        Some([small?, large?])
    });
    let waves: Vec<_> = both.take(WAVES).collect();
    let middle = |room: usize| {
        let mut costs: Vec<_> = waves.iter().map(|wave| wave[room]).collect();
        costs.sort_unstable();
        costs[WAVES / 2] / WAVE
    };
    (waves.len() == WAVES).then(|| [middle(0), middle(1)])
}

/// What this thread has asked the allocator for. If it has to wait for the processor for longer than a
/// tick, a join tells all who came before it, and that is counted too.
fn allocations(run: &mut dyn FnMut()) -> Option<u64> {
    Some(allocation_counter::measure(run).count_total)
}

/// The instructions of this thread. There are none where the machine counts none, or where others
/// had the counter in the meantime.
fn instructions(run: &mut dyn FnMut()) -> Option<u64> {
    let mut counter = Builder::new().kind(Hardware::INSTRUCTIONS).build().ok()?;
    counter.enable().ok()?;
    run();
    counter.disable().ok()?;
    let read = counter.read_count_and_time().ok()?;
    (read.time_running == read.time_enabled && read.count > 0).then_some(read.count)
}

/// How long this thread was on a processor.
fn nanoseconds(run: &mut dyn FnMut()) -> Option<u64> {
    let before = tests::on_processor();
    run();
    u64::try_from((tests::on_processor() - before).as_nanos()).ok()
}
