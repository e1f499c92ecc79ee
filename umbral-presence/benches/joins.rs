//! What it costs to join a room, however many are in it already, with the frames that tell
//! the others of it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Builder;
use umbral_presence::__bench::{Room, Visitor};

/// How many come one after the other, as one iteration, before they go again.
const WAVE: u64 = 10_000;

/// Often enough that nobody is taken for lost.
const LOOK: Duration = Duration::from_secs(5);

fn joins(criterion: &mut Criterion) {
    // Its one thread waits for the ends of ticks, as a server's do.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    let mut group = criterion.benchmark_group("joins");
    group.sample_size(10).throughput(Throughput::Elements(WAVE));
    for members in [8_000, 100_000, 1_000_000] {
        let room = Room::new();
        let inside: Vec<_> = (0..members).map(|n| room.visitor(&format!("member-{n}"))).collect();
        inside.iter().for_each(|visitor| room.join(visitor));
        let mut last = 0;
        group.bench_function(BenchmarkId::from_parameter(members), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut time = Duration::ZERO;
                for _ in 0..iterations {
                    // Others each time: who comes again and again is told of more slowly.
                    let names = (last..last + WAVE).map(|n| room.visitor(&format!("newcomer-{n}")));
                    let wave: Vec<_> = names.collect();
                    last += WAVE;
                    let start = Instant::now();
                    wave.iter().for_each(|visitor| room.join(visitor));
                    time += start.elapsed();
                    drop(wave);
                    read(&inside);
                }
                time
            });
        });
        assert_eq!(room.count(), inside.len());
    }
    group.finish();
}

/// Each visitor reads what it has been told. A million first snapshots take longer than the time after
/// which a visitor that does not read is taken for lost.
fn read(inside: &[Visitor]) {
    let mut seen = Instant::now();
    for visitor in inside {
        black_box(visitor.read());
        if seen.elapsed() > LOOK {
            inside.iter().for_each(Visitor::is_there);
            seen = Instant::now();
        }
    }
}

criterion_group!(benches, joins);
criterion_main!(benches);
