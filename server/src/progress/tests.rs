//! Steady, silent, paused and resumed transfers in made-up time.

use pixelfox_proto::{ImageId, SessionEpoch};

use super::*;

fn id(number: u64) -> JobId {
    JobId::try_from(number).expect("not 0")
}

fn pool(number: u64) -> PoolId {
    PoolId::try_from(number).expect("not 0")
}

fn job(number: u64) -> LeasedJob {
    LeasedJob {
        job: id(number),
        parent: Some(id(100)),
        image: ImageId::from_bytes([1; 16]),
        lease: Lease(number),
        attempt: 1,
        failures: 0,
        source: pool(1),
        target: pool(2),
        epoch: SessionEpoch(1),
        undo: false,
        files: Vec::new(),
    }
}

#[test]
fn a_steady_transfer_shows_its_bytes_and_its_rate() {
    // Two jobs of one parent at 1 MB/s each for ten seconds of made-up time, then silence.
    let (progress, start) = (Progress::default(), Instant::now());
    progress.begin(&job(1), start);
    progress.begin(&job(2), start);
    let mut now = start;
    for step in 1..=20_u64 {
        now = start + Duration::from_millis(step * 500);
        assert!(progress.flowing(id(1), Lease(1), step * 500_000, now));
        assert!(progress.flowing(id(2), Lease(2), step * 500_000, now));
    }
    let (one, parent) = (progress.of_job(id(1), now), progress.of_parent(id(100), now));
    assert_eq!((one.bytes, parent.bytes), (10_000_000, 20_000_000));
    for (rate, want) in [
        (one.bytes_per_second, 1e6),
        (parent.bytes_per_second, 2e6),
        (progress.rate(now), 2e6),
        (progress.rate_of(&[pool(3), pool(1)], now), 2e6),
        (progress.known_rate(pool(1), pool(2)), 2e6),
    ] {
        assert!((rate - want).abs() < want * 0.1, "{rate} instead of {want}");
    }
    let later = now + Duration::from_secs(120);
    assert!(progress.rate_of(&[pool(2)], now) < 1e-9, "what comes in is the other's rate");
    assert!(progress.rate(later) < 1e-9 && progress.known_rate(pool(1), pool(2)) > 1e6);
}

#[test]
fn what_was_there_is_progress_but_no_traffic_and_late_words_are_nothing() {
    // A file that lands ends what flowed of it; an older lease says nothing; what is over is forgotten.
    let (progress, now) = (Progress::default(), Instant::now());
    progress.begin(&job(1), now);
    progress.flowing(id(1), Lease(1), 700, now);
    progress.landed(id(1), Lease(1), 1_000, Counts::Flowed, now);
    progress.landed(id(1), Lease(1), 50, Counts::There, now);
    assert!(!progress.flowing(id(1), Lease(9), 5_000, now));
    assert_eq!(progress.of_job(id(1), now).bytes, 1_050);
    progress.over(&HashSet::from([Lease(1)]));
    assert_eq!((progress.of_job(id(1), now), progress.of_parent(id(100), now).bytes), (Figures::default(), 0));
}

#[test]
fn what_comes_out_of_a_trash_has_no_rate() {
    // Ten files of 10 MB that were there already, then 1 MB/s over the wire: only that is a rate, of the job as of its parent.
    let (progress, start) = (Progress::default(), Instant::now());
    let at = |half_seconds: u64| start + Duration::from_millis(500 * half_seconds);
    progress.begin(&job(1), start);
    for step in 1..=10 {
        progress.landed(id(1), Lease(1), 10_000_000, Counts::There, at(step));
    }
    let there = Figures { bytes: 100_000_000, bytes_per_second: 0.0 };
    assert_eq!((progress.of_job(id(1), at(10)), progress.of_parent(id(100), at(10))), (there, there));
    for step in 1..=20 {
        progress.flowing(id(1), Lease(1), step * 500_000, at(10 + step));
    }
    for rate in [progress.of_job(id(1), at(30)), progress.of_parent(id(100), at(30))].map(|it| it.bytes_per_second) {
        assert!((7e5..1.1e6).contains(&rate), "{rate}");
    }
}

#[test]
fn what_a_restarted_server_hears_of_for_the_first_time_has_not_flowed_just_now() {
    // 80 MB had come before this server was started, then 1 MB/s: the job is as far as it is, and its rate is what flows.
    let (progress, start) = (Progress::started(Instant::now()), Instant::now());
    let at = |half_seconds: u64| start + Duration::from_millis(500 * half_seconds);
    progress.begin(&job(1), start);
    for step in 1..=20 {
        progress.resumed(id(1), Lease(1), 80_000_000);
        progress.flowing(id(1), Lease(1), 80_000_000 + step * 500_000, at(step));
    }
    let (one, moved) = (progress.of_job(id(1), at(20)), progress.last_hour(at(20)));
    assert_eq!(one.bytes, 90_000_000);
    assert!((one.bytes_per_second - 1e6).abs() < 1e5, "{one:?}");
    assert_eq!(moved.iter().map(|(_, minute)| minute.bytes_moved).sum::<u64>(), 10_000_000);
}

#[test]
fn rates_of_parents_that_are_long_over_are_forgotten() {
    let (progress, start) = (Progress::default(), Instant::now());
    for number in 1..=3_000 {
        let now = start + Duration::from_millis(number);
        progress.begin(&LeasedJob { parent: Some(id(number)), ..job(number) }, now);
        progress.flowing(id(number), Lease(number), 10, now);
        progress.over(&HashSet::from([Lease(number)]));
    }
    let inner = progress.inner.lock();
    assert!(inner.jobs.is_empty() && inner.parents.len() <= KEPT + 1, "{}", inner.parents.len());
}

#[test]
fn a_pause_takes_no_bytes_away_and_is_no_part_of_a_rate() {
    // Ten seconds at 1 MB/s, a pause of ten minutes, and on at 1 MB/s: while it rests nothing flows and what came stays;
    // afterwards the target's own part, told with the first word, is neither a rush nor counted as sent once more.
    let (progress, start) = (Progress::started(Instant::now()), Instant::now());
    let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
    let flow = |lease, from: u64, begun: f64| {
        for step in 1..=20_u32 {
            let bytes = from + u64::from(step) * 500_000;
            assert!(progress.flowing(id(1), Lease(lease), bytes, at(begun + f64::from(step) * 0.5)));
        }
    };
    progress.begin(&job(1), at(0.0));
    flow(1, 0, 0.0);
    progress.set_aside(&HashSet::from([Lease(1)]), at(10.0));
    let of = |now| (progress.of_job(id(1), now), progress.of_parent(id(100), now), progress.rate(now));
    let still = Figures { bytes: 10_000_000, bytes_per_second: 0.0 };
    assert_eq!(of(at(10.1)), (still, still, 0.0));
    assert!(progress.flows(at(10.1)).is_empty());
    progress.begin(&LeasedJob { lease: Lease(2), ..job(1) }, at(610.0));
    assert_eq!(of(at(610.0)).0.bytes, 10_000_000, "before its first word");
    progress.flowing(id(1), Lease(2), 10_000_000, at(610.1));
    assert_eq!(of(at(610.1)).0.bytes, 10_000_000);
    flow(2, 10_000_000, 610.5);
    let (one, parent, all) = of(at(620.5));
    assert_eq!((one.bytes, parent.bytes), (20_000_000, 20_000_000));
    for rate in [one.bytes_per_second, parent.bytes_per_second, all] {
        assert!((rate - 1e6).abs() < 1e5, "{rate}");
    }
    let moved: u64 = progress.last_hour(at(620.5)).iter().map(|(_, minute)| minute.bytes_moved).sum();
    assert_eq!(moved, 20_000_000);
    progress.set_aside(&HashSet::from([Lease(2)]), at(621.0));
    progress.ended([id(1)]);
    assert_eq!((of(at(621.0)).0, of(at(621.0)).1), (Figures::default(), Figures::default()));
}
