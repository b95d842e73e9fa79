//! What a prefix digest per frame costs against one plain SHA-256 pass over the same bytes, in one run.
//! `cargo bench -p pixelfox-proto --bench frames`

use std::{hint::black_box, time::Duration};

use pixelfox_proto::{Cutter, Sha256, Verifier};

const SIZE: usize = 64 << 20;
const FRAME: usize = 256 << 10;
const RUNS: usize = 5;

fn main() {
    let data: Vec<u8> = (0..=250).cycle().step_by(31).take(SIZE).collect();
    let mut rows: Vec<(&str, Vec<f64>)> = vec![("SHA-256 alone", vec![]), ("cut", vec![]), ("cut and verify", vec![])];
    for _ in 0..RUNS {
        for (name, times) in &mut rows {
            let seconds = match *name {
                "SHA-256 alone" => timed(|| {
                    black_box(Sha256::of(black_box(&data)));
                }),
                "cut" => timed(|| {
                    let mut cutter = Cutter::new();
                    for chunk in data.chunks(FRAME) {
                        black_box(cutter.cut(chunk));
                    }
                }),
                _ => timed(|| {
                    let (mut cutter, mut verifier) = (Cutter::new(), Verifier::new(SIZE as u64));
                    for chunk in data.chunks(FRAME) {
                        let cut = cutter.cut(chunk);
                        verifier.accept(cut.offset, chunk, cut.prefix.as_bytes()).expect("the cutter's own frames");
                    }
                }),
            };
            times.push(seconds.as_secs_f64());
        }
    }
    println!("| pass over {} MiB in frames of {} KiB | MB/s, median of {RUNS} |\n|---|---|", SIZE >> 20, FRAME >> 10);
    for (name, mut times) in rows {
        times.sort_by(f64::total_cmp);
        println!("| {name} | {:.0} |", SIZE as f64 / times[RUNS / 2] / 1e6);
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}
