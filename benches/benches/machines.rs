//! Times the list of [`postkern_benches::works`] with criterion.
#![forbid(unsafe_code)]

use std::time::Duration;

use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    for work in postkern_benches::works() {
        let mut run = (work.start)();
        let mut group = criterion.benchmark_group(work.name);
        // A command is an operation, a message its octets.
        group.throughput(match run.ops {
            1 => Throughput::Bytes(run.octets),
            ops => Throughput::Elements(ops),
        });
        group.bench_function(work.of.label(), |bencher| bencher.iter(&mut run.once));
        group.finish();
    }
    criterion.final_summary();
}
