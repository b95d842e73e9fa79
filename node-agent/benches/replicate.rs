//! Where Replicate stands: `cargo bench -p pixelfox-node --bench replicate` prints the tables of docs/PERFORMANCE.md.
//!
//! Sender and receiver are processes on this machine and share its cores. Five interleaved runs each, medians, each into
//! a fresh directory; what was copied is cut to nothing between the rounds and deleted at the end. Peers that are not
//! installed are left out. `-- --quick` runs everything once with a sixteenth of the bytes: it measures nothing.
//! `-- --only ours,raw` runs these alone, `-- --set 3` that set alone, `-- --rounds 3` so often, `-- --no-rest` without
//! the rest before each run that gives a virtual disk its credit back.

mod replicate_peers;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use pixelfox_node::sys;
use replicate_peers::{
    Run,
    ground::{Origin, SETS, Set, warm},
    memory, others, ours, raw,
};

const ROUNDS: usize = 5;
/// Memory goals, in MiB: from a file of 1 MiB to one of 4 GiB, and per further stream.
const GROWTH_GOAL: f64 = 4.0;
const STREAM_GOAL: f64 = 2.0;
const SHA256_GOAL: f64 = 0.4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--role", "ours-receiver", dir] => {
            sys::tune_allocator();
            ours::receive(Path::new(dir))
        }
        ["--role", "ours-sender", dir, manifest, address, streams] => {
            sys::tune_allocator();
            ours::send(Path::new(dir), Path::new(manifest), address, streams.parse().expect("a number"));
        }
        ["--role", "raw-receiver", dir] => raw::receive(Path::new(dir)),
        ["--role", "raw-sender", dir, manifest, address] => raw::send(Path::new(dir), Path::new(manifest), address),
        _ => bench(&Plan::of(&words)),
    }
}

/// What is run.
struct Plan {
    quick: bool,
    rounds: usize,
    only: Option<String>,
    set: Option<usize>,
    rests: bool,
}

impl Plan {
    fn of(words: &[&str]) -> Self {
        let value = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
        let quick = words.contains(&"--quick");
        let rounds = value("--rounds").and_then(|word| word.parse().ok());
        let rounds = rounds.unwrap_or(if quick { 1 } else { ROUNDS });
        let set = value("--set").and_then(|word| word.parse().ok());
        Self {
            quick,
            rounds,
            only: value("--only").map(ToString::to_string),
            set,
            rests: !quick && !words.contains(&"--no-rest"),
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|word| word == name))
    }
}

type Way = Box<dyn Fn(&Origin, &Path) -> Run>;

fn bench(plan: &Plan) {
    let ground = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder below the target directory");
    let ways = ways(plan);
    let sha256 = raw::sha256_gigabytes_per_second(if plan.quick { 256 << 20 } else { 4 << 30 });
    println!("One core's SHA-256: {sha256:.2} GB/s. Medians of {} interleaved runs.\n", plan.rounds);
    println!("| set | ours, MB/s | files/s | CPU s/GiB, both sides | compared with | theirs, MB/s | ratio | goal |");
    println!("|---|---|---|---|---|---|---|---|");
    for (index, set) in SETS.into_iter().enumerate() {
        if plan.set.is_some_and(|only| only != index + 1) {
            continue;
        }
        let set = if plan.quick { set.small() } else { set };
        let origin = Origin::make(set, ground.path(), &format!("set{index}"));
        let runs = rounds(plan, &ways, &origin, ground.path());
        table(&set, &ways, &runs, if index == 0 { Some(sha256) } else { None });
    }
    if plan.wants("memory") && plan.set.is_none() {
        memory_table(plan, ground.path());
    }
}

/// The ways that there are on this machine; ours is the first.
fn ways(plan: &Plan) -> Vec<(&'static str, Way)> {
    let mut ways: Vec<(&'static str, Way)> = vec![("ours", Box::new(ours::run))];
    let [raw_name, whole, synced, put] = others::NAMES;
    ways.push((raw_name, Box::new(raw::run)));
    match others::rsync_version() {
        None => println!("rsync is not installed: left out"),
        Some(version) => {
            ways.push((whole, Box::new(|origin, fresh| others::rsync(origin, fresh, &[]))));
            if version >= (3, 2, 4) {
                ways.push((synced, Box::new(|origin, fresh| others::rsync(origin, fresh, &["--fsync"]))));
            } else {
                println!("rsync {version:?} has no --fsync: left out");
            }
        }
    }
    match others::nginx() {
        None => println!("nginx with DAV is not installed: left out"),
        Some(program) => ways.push((put, Box::new(move |origin, fresh| others::nginx_put(program, origin, fresh)))),
    }
    ways.retain(|(name, _)| plan.wants(name));
    ways
}

/// Every way once per round; the runs of each way.
fn rounds(plan: &Plan, ways: &[(&str, Way)], origin: &Origin, ground: &Path) -> Vec<Vec<Run>> {
    let mut runs: Vec<Vec<Run>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds {
        let mut copies: Vec<PathBuf> = Vec::new();
        for (way, runs) in ways.iter().zip(&mut runs) {
            let fresh = ground.join(format!("{}-{}-{round}", origin.set.bytes, way.0.replace(' ', "")));
            fs::create_dir_all(&fresh).expect("folders can be made");
            warm(origin);
            rustix::fs::sync(); // nobody pays for another's dirty pages
            if plan.rests {
                std::thread::sleep(rest(origin.set.total()));
            }
            runs.push((way.1)(origin, &fresh));
            origin.check(&fresh);
            copies.push(fresh);
        }
        for copy in &copies {
            origin.empty(copy);
        }
    }
    runs
}

/// Virtual disks take some gigabyte at full speed and then a few hundred MB/s until they have rested: without a rest each
/// run would measure what the one before it has left of that.
fn rest(bytes: u64) -> Duration {
    Duration::from_secs(2) + Duration::from_micros(bytes / 200)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of a bench")]
fn table(set: &Set, ways: &[(&str, Way)], runs: &[Vec<Run>], sha256: Option<f64>) {
    let median = |of: &dyn Fn(&Run) -> f64, runs: &[Run]| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let rate = |runs: &[Run]| set.total() as f64 / 1e6 / median(&|run| run.seconds, runs);
    let Some(ours) = ways.iter().position(|way| way.0 == "ours").map(|at| &runs[at][..]) else { return };
    let gib = set.total() as f64 / f64::from(1 << 30);
    let cpu = median(&|run| run.cpu_seconds, ours) / gib;
    let cpu = match set.cpu_goal {
        0.0 => format!("{cpu:.2}"),
        goal => format!("{cpu:.2} (goal ≤ {goal}{})", verdict(cpu <= goal)),
    };
    let (mbs, files) = (rate(ours), set.files as f64 / median(&|run| run.seconds, ours));
    let mut first = format!("| {} | {mbs:.0} | {files:.0} | {cpu} ", set.name);
    let mut line = |name: &str, theirs: f64, goal: f64| {
        let ratio = mbs / theirs;
        let goal = if goal > 0.0 { format!("≥ {goal}{}", verdict(ratio >= goal)) } else { "reported".into() };
        println!("{first}| {name} | {theirs:.0} | {ratio:.2} | {goal} |");
        first = "| | | | ".into();
    };
    for ((name, _), runs) in ways.iter().zip(runs).filter(|((name, _), _)| *name != "ours") {
        let goal = others::NAMES.iter().position(|n| n == name).map_or(0.0, |at| set.goals[at]);
        line(name, rate(runs), goal);
    }
    if let Some(sha256) = sha256 {
        line("one core's SHA-256", sha256 * 1e3, SHA256_GOAL);
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "" } else { " (missed)" }
}

fn memory_table(plan: &Plan, ground: &Path) {
    let large = if plan.quick { 256 << 20 } else { 4 << 30 };
    let small = memory::peaks(ground, "memory-small", 1, 1 << 20, 1);
    let huge = memory::peaks(ground, "memory-large", 1, large, 1);
    let one = memory::peaks(ground, "memory-one", 4, large / 32, 1);
    let four = memory::peaks(ground, "memory-four", 4, large / 32, 4);
    println!("\n| peak memory | sender | receiver | goal |\n|---|---|---|---|");
    #[expect(clippy::cast_precision_loss, reason = "kibibytes of a process")]
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!("| a file of 1 MiB, MiB | {:.1} | {:.1} | |", mib(small.sender), mib(small.receiver));
    let row = |what: &str, sender: f64, receiver: f64, goal: f64| {
        let met = sender <= goal && receiver <= goal;
        println!("| {what}, MiB | {sender:.1} | {receiver:.1} | ≤ {goal}{} |", verdict(met));
    };
    let growth = |a: u64, b: u64| mib(b) - mib(a);
    row("more for 4 GiB", growth(small.sender, huge.sender), growth(small.receiver, huge.receiver), GROWTH_GOAL);
    row(
        "more for each further stream",
        growth(one.sender, four.sender) / 3.0,
        growth(one.receiver, four.receiver) / 3.0,
        STREAM_GOAL,
    );
}
