//! Bad disks: bits that turn over, files that are gone, cut short or replaced, and a disk that gets full half-way.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    client::{Upload, place_by_hand},
    cluster::{Cluster, Role},
    proxy::{Mode, Proxy},
};

const SIZE: usize = 300_000;
const LARGE: usize = 3_000_000;

fn turn_a_bit_over(file: &Path) {
    let file = fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 1000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 1000).unwrap();
}

async fn upload(cluster: &Cluster, to: Role, size: usize) -> (Upload, PathBuf) {
    let client = &cluster.client;
    let upload = client.upload(to, &client.picture(size)).await.unwrap();
    let file = client.pool_dir(to).join(&upload.path);
    (upload, file)
}

async fn move_one(cluster: &Cluster, upload: &Upload, to: Role) -> u64 {
    cluster.client.move_to(std::slice::from_ref(&upload.uuid), to).await
}

/// Makes a file another than the books say.
type Spoil = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_not_what_the_books_say_is_told_and_never_copied_as_good() {
    // A bit turned over, cut short, replaced: the job fails with that cause. Gone: it completes, and says that.
    let mut cluster = Cluster::start().await;
    cluster.client.excuse_failures();
    let spoil: [(&str, Spoil); 3] = [
        ("a bit turned over", turn_a_bit_over),
        ("cut short", |file| fs::OpenOptions::new().write(true).open(file).unwrap().set_len(1000).unwrap()),
        ("replaced", |file| {
            fs::remove_file(file).unwrap();
            place_by_hand(file, b"somebody's own");
        }),
    ];
    for (how, spoil) in spoil {
        let (image, file) = upload(&cluster, Role::S01, SIZE).await;
        spoil(&file);
        cluster.client.excuse(&image);
        let parent = move_one(&cluster, &image, Role::S02).await;
        let job = cluster.child(parent, how, |job| job.state == "failed").await;
        assert!(job.last_error.contains(&image.path), "{how}: {job:?}");
        assert!(file.try_exists().unwrap(), "{how}: what is there is kept");
        let landed = cluster.client.pool_dir(Role::S02).join(&image.path);
        assert!(!landed.try_exists().unwrap(), "{how}: it came to the target");
        let on_record = cluster.client.image(&image.uuid).await;
        assert_eq!((on_record.pool_id, on_record.uuid), (Role::S01.pool(), image.uuid.clone()), "{how}");
    }
    let (image, file) = upload(&cluster, Role::S01, SIZE).await;
    fs::remove_file(&file).unwrap();
    cluster.client.excuse(&image);
    let parent = move_one(&cluster, &image, Role::S02).await;
    let job = cluster.child(parent, "gone", |job| job.state == "completed").await;
    assert_eq!(job.files_missing, 1, "{job:?}");
    assert!(job.last_error.contains(&image.path), "{job:?}");
    let (sound, _) = upload(&cluster, Role::S01, SIZE).await;
    let parent = move_one(&cluster, &sound, Role::S02).await;
    cluster.child(parent, "others are not held up", |job| job.state == "completed").await;
    cluster.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_with_a_bit_turned_over_is_not_brought_back_from_the_trash() {
    // s01 → s02 and back: what is in the trash of s01 does not match its mark, so the file is sent instead.
    let mut cluster = Cluster::start().await;
    let (image, file) = upload(&cluster, Role::S01, SIZE).await;
    let there = move_one(&cluster, &image, Role::S02).await;
    cluster.child(there, "goes there", |job| job.state == "completed").await;
    let trashed = cluster.client.pool_dir(Role::S01).join(".pixelfox/trash/1").join(&image.path);
    turn_a_bit_over(&trashed);
    let back = move_one(&cluster, &image, Role::S01).await;
    cluster.child(back, "comes back", |job| job.state == "completed").await;
    assert_eq!(fs::read(&file).unwrap(), image.bytes);
    cluster.check().await.unwrap();
}

/// A small file system of the test's own; unmounted when it is dropped.
struct Small(PathBuf);

impl Small {
    /// `None`, said aloud, where this process may not mount.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let options = format!("size={size},mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Some(Self(at));
        }
        eprintln!("skipped: this process may not mount");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).output().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: a full target is looked at again after half a minute; make test-crash"]
async fn a_disk_that_gets_full_half_way_makes_the_job_wait_and_breaks_nothing() {
    // Somebody else fills the target's disk while a file comes in. Room comes back, the file follows.
    let mut cluster = Cluster::new();
    let Some(_small) = Small::mount(cluster.client.pool_dir(Role::S02), "8m") else { return };
    let line = Proxy::to(cluster.port(Role::S02)).await;
    cluster.change(Role::S02, "NODE_URL", line.url());
    cluster.start_all().await;
    let (image, _) = upload(&cluster, Role::S01, LARGE).await;
    line.set(Mode::Slow(1_500_000));
    let parent = move_one(&cluster, &image, Role::S02).await;
    let incoming = cluster.client.pool_dir(Role::S02).join(".pixelfox/incoming");
    let arrives = || fs::read_dir(&incoming).unwrap().any(|file| file.unwrap().metadata().is_ok_and(|f| f.len() > 0));
    cluster.until("bytes arrive", async || arrives()).await;
    let filler = cluster.client.pool_dir(Role::S02).join("filler");
    fs::write(&filler, vec![0; 8 << 20]).unwrap_err();
    line.set(Mode::Pass);
    let job = cluster.child(parent, "waits", |job| job.state == "pending").await;
    let said = format!("{} {}", job.waiting_for, job.last_error);
    assert!(said.contains("full") || said.contains("capacity") || said.contains("space"), "{job:?}");
    fs::remove_file(&filler).unwrap();
    let job = cluster.child(parent, "completes", |job| job.state == "completed").await;
    assert_eq!(job.last_error, "", "{job:?}");
    cluster.check().await.unwrap();
}
