//! Whole moves between processes: a pool of many images from end to end (plan, lease, push, commit, trash) against bare
//! Replicate of the same files in the same run; what reads notice of it; how soon all goes on after a kill.
//! `cargo build --release --workspace --bins`, then `cargo bench -p pixelfox-server --bench moves [-- PART…]` with the
//! parts `small` (10,000 × 100 KB), `large` (300 × 4 MB), `undo` (10,000 × 10 KB), `reads`, `recovery`; all of them without
//! a word. `--rounds 3`.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

mod moves_parts;

use std::time::Duration;

use moves_parts::cluster::{Admin, Cluster};
use moves_parts::reads::Readers;
use moves_parts::{bare, median, now, recovery, rest};
use pixelfox_proto::v1;

const QUEUED: u64 = 100_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let wants = |part: &str| {
        let parts = ["small", "large", "undo", "reads", "recovery"];
        words.iter().any(|word| word == part) || !words.iter().any(|word| parts.contains(&word.as_str()))
    };
    let rounds = words.iter().position(|word| word == "--rounds").and_then(|at| words.get(at + 1)?.parse().ok());
    let rounds: usize = rounds.unwrap_or(3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        if wants("small") {
            end_to_end(10_000, 100_000, rounds, 0.5).await;
        }
        if wants("large") {
            end_to_end(300, 4_000_000, rounds, 0.8).await;
        }
        if wants("undo") {
            undo(10_000, 10_000, rounds).await;
        }
        if wants("reads") {
            reads().await;
        }
        if wants("recovery") {
            recover().await;
        }
    });
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap()
}

/// From pool to fresh pool and from node to node, so that no trash has the files already.
async fn end_to_end(count: u64, size: usize, rounds: usize, goal: f64) {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).await;
    let mut admin = cluster.admin();
    let bytes = count * size as u64;
    let images: Vec<String> = cluster.upload(count, size).await.into_iter().map(|(uuid, _)| uuid).collect();
    let links = cluster.folder.join("bare-source");
    let items = bare::link(&cluster.pool_dir("s01"), &links);
    let (mut bares, mut moves) = (Vec::new(), Vec::new());
    let mut source = 2;
    for round in 0..rounds {
        let target = cluster.add_pool(&mut admin, &format!("round{round}"), if round % 2 == 0 { 2 } else { 1 }).await;
        rest(bytes).await;
        bares.push(bare::replicate(&items, &links, &cluster.folder.join(format!("bare{round}"))).await);
        rest(bytes).await;
        moves.push(moved(&cluster, &mut admin, &images, source, target).await);
        source = target;
    }
    let (bare, moved) = (median(bares.clone()), median(moves.clone()));
    let rate = |seconds: f64| bytes as f64 / seconds / 1e6;
    println!(
        "{count} × {size} bytes: moved in {moved:.2} s ({:.0} MB/s, {:.0} images/s), bare Replicate {bare:.2} s ({:.0} MB/s), \
         ratio {:.2} (goal ≥ {goal}); each: moves {moves:.2?}, bare {bares:.2?}; coordinator's peak {} KiB",
        rate(moved),
        count as f64 / moved,
        rate(bare),
        bare / moved,
        cluster.coordinator_peak(),
    );
}

/// Seconds from the request until the last old copy is in the trash.
async fn moved(cluster: &Cluster, admin: &mut Admin, images: &[String], source: u64, target: u64) -> f64 {
    let begin = now();
    let whole = v1::MovePoolRequest { source_pool_id: source, target_pool_id: target, ..Default::default() };
    let job = match admin.move_pool(whole).await {
        Ok(batch) => batch.into_inner().job_id,
        Err(status) if status.code() == tonic::Code::Unimplemented => {
            let uuids = images.to_vec();
            let some = v1::MoveImagesRequest { uuids, target_pool_id: target, ..Default::default() };
            admin.move_images(some).await.unwrap().into_inner().job_id
        }
        Err(status) => panic!("{status}"),
    };
    let job = cluster.ended(admin, job).await;
    assert_eq!((job.state.as_str(), job.children_done), ("completed", images.len() as u64), "{job:?}");
    begin.elapsed().as_secs_f64()
}

/// A pool moved and taken back, over and over: the second half counts. That no byte was sent is seen by the files: each is
/// the same one as before its move.
async fn undo(count: u64, size: usize, rounds: usize) {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).await;
    let mut admin = cluster.admin();
    let images: Vec<String> = cluster.upload(count, size).await.into_iter().map(|(uuid, _)| uuid).collect();
    let files = || inodes(&cluster.pool_dir("s01").join("original"));
    let before = files();
    assert_eq!(before.len(), images.len());
    let mut seconds = Vec::new();
    for round in 0..rounds {
        let target = cluster.add_pool(&mut admin, &format!("round{round}"), 2).await;
        let whole = v1::MovePoolRequest { source_pool_id: 2, target_pool_id: target, ..Default::default() };
        let moved = admin.move_pool(whole).await.unwrap().into_inner().job_id;
        assert_eq!(cluster.ended(&mut admin, moved).await.children_done, count);
        assert_eq!(files().len(), 0, "all are in the trash");
        rest(count * size as u64).await;
        let begin = now();
        let back = v1::ChangeJobsRequest { ids: vec![moved], ..Default::default() };
        let back = admin.undo_moves(back).await.unwrap().into_inner().job_id;
        let job = cluster.ended(&mut admin, back).await;
        seconds.push(begin.elapsed().as_secs_f64());
        assert_eq!((job.state.as_str(), job.children_done), ("completed", count), "{job:?}");
        assert_eq!(files(), before, "the same files: nothing was copied");
        rest(count * size as u64).await;
    }
    let median = median(seconds.clone());
    println!(
        "{count} images taken back in {median:.2} s ({:.0} images/s, goal < 10 s), no byte sent; each: {seconds:.2?}; \
         coordinator's peak {} KiB",
        count as f64 / median,
        cluster.coordinator_peak(),
    );
}

/// The files below a directory: which they are, by name.
fn inodes(below: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, u64> {
    use std::os::unix::fs::MetadataExt as _;
    let (mut found, mut open) = (std::collections::BTreeMap::new(), vec![below.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            let about = entry.metadata().unwrap();
            match about.is_dir() {
                true => open.push(entry.path()),
                false => drop(found.insert(entry.path(), about.ino())),
            }
        }
    }
    found
}

async fn reads() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).await;
    let mut admin = cluster.admin();
    let read = cluster.upload(200, 100_001).await;
    let urls: Vec<String> = read.into_iter().map(|(_, url)| url).collect();
    let moving = cluster.upload(4_000, 200_000).await;
    let images: Vec<String> = moving.into_iter().map(|(uuid, _)| uuid).collect();
    rest(800_000_000).await;
    let (mut idle, mut limited, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let readers = Readers::start(&urls);
        tokio::time::sleep(Duration::from_secs(5)).await;
        idle.push(readers.end().await.2);
    }
    let mut at = images.chunks(1_000);
    for limit in [50_000_000, 50_000_000, 50_000_000, 0] {
        let settings = v1::Settings { move_bandwidth_per_node: Some(limit), ..v1::Settings::default() };
        admin.update_settings(v1::UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
        let uuids = at.next().unwrap().to_vec();
        let readers = Readers::start(&urls);
        let some = v1::MoveImagesRequest { uuids, target_pool_id: 3, ..Default::default() };
        let job = admin.move_images(some).await.unwrap().into_inner().job_id;
        cluster.ended(&mut admin, job).await;
        let p99 = readers.end().await.2;
        if limit > 0 { limited.push(p99) } else { free.push(p99) }
    }
    let (i, l) = (median(idle.clone()), median(limited.clone()));
    println!(
        "reads of 100 KB, 99th of a hundred: idle {i:.2} ms, during a move at 50 MB/s {l:.2} ms, {:.2} × idle (goal ≤ 1.5), \
         without a limit {:.2} ms; each: idle {idle:.2?}, limited {limited:.2?}",
        l / i,
        free[0]
    );
}

async fn recover() {
    let folder = folder();
    let mut cluster = Cluster::start(folder.path()).await;
    recovery::stock(&mut cluster, QUEUED).await;
    let seen = recovery::recover(&mut cluster).await;
    println!(
        "with {QUEUED} jobs queued: coordinator back, nodes attached in {:.2} s (goal ≤ 5), a job moved in {:.2} s \
         (goal ≤ 10); node killed and started, its jobs leased again in {:.2} s (goal ≤ 2); coordinator's peak {} KiB",
        seen.attached,
        seen.moving,
        seen.leased_again,
        cluster.coordinator_peak()
    );
}
