//! Bad disks and bad names: links, files where folders must be, full and read-only disks, leftovers of a crash.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use pixelfox_node::disk::{Disk, DiskError, Incoming, Mark, Placed, Placing, Site, Step};
use pixelfox_node::receive::{LandingError, Origin, Publish};
use pixelfox_proto::{Attempt, FaultKind, FileMeta, Generation, ImageId, Lease, Sha256};
use tokio::sync::oneshot;

use crate::disk_ground::{Ground, attempt, begin, by_hand, bytes, path, send, tree};
use crate::disk_mount::{Mount, run};

/// Puts a file on a disk without a node around it.
pub(crate) async fn place(disk: &Disk, at: &str, data: &[u8], generation: u64) -> Result<Placed, DiskError> {
    place_with(disk, at, data, Generation(generation), Step::Give, None).await
}

/// As `place`, by a step that was decided about what was seen.
async fn place_by(
    disk: &Disk,
    at: &str,
    data: &[u8],
    step: Step,
    attempt: Option<Attempt>,
) -> Result<Placed, DiskError> {
    let generation = attempt.map_or(Generation(0), |attempt| attempt.generation);
    place_with(disk, at, data, generation, step, attempt).await
}

async fn place_with(
    disk: &Disk,
    at: &str,
    data: &[u8],
    generation: Generation,
    step: Step,
    attempt: Option<Attempt>,
) -> Result<Placed, DiskError> {
    let mut incoming = disk.incoming()?;
    incoming.append(data)?;
    give(disk, incoming, at, data, generation, step, attempt).await
}

async fn give(
    disk: &Disk,
    incoming: Incoming,
    at: &str,
    data: &[u8],
    generation: Generation,
    step: Step,
    attempt: Option<Attempt>,
) -> Result<Placed, DiskError> {
    let (size, sha256) = (data.len() as u64, Sha256::of(data));
    let mark = Mark {
        size,
        sha256,
        generation,
        meta: FileMeta::default(),
        was_unowned: false,
        is_suspect: false,
        visitor: None,
    };
    let (tell, told) = oneshot::channel();
    let placing = Placing { incoming, path: path(at), mark, step, attempt, pending: None };
    disk.place(placing, move |outcome| drop(tell.send(outcome))).await;
    told.await.unwrap()
}

#[tokio::test]
async fn a_planted_link_leads_nowhere() {
    // Links to a folder outside, to a file outside, to a file inside, and one in our own place.
    let ground = Ground::new().await;
    let outside = ground.folder.join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), b"secret").unwrap();
    ground.put("original/real", b"real").await.unwrap();
    symlink(&outside, ground.on_disk("original/dir")).unwrap();
    symlink(outside.join("secret"), ground.on_disk("original/file")).unwrap();
    symlink("real", ground.on_disk("original/inside")).unwrap();
    symlink("nowhere", ground.on_disk("original/dangling")).unwrap();
    let disk = ground.pool().disk().unwrap();
    for at in ["original/dir/secret", "original/file", "original/inside", "original/dangling"] {
        assert!(disk.open(&path(at)).unwrap().is_none(), "{at} is read");
        let refused = ground.put(at, b"new").await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Conflict, "{at}: {refused}");
        let trashed = ground.pool().trash(crate::disk_ground::removal(at, 0)).await.unwrap();
        assert_eq!(trashed, pixelfox_node::disk::Trashed::Missing, "{at} goes to the trash");
    }
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(disk.walk("", "").next_page(10).unwrap().len(), 1, "a walk sees the real file alone");
}

#[tokio::test]
async fn what_stands_in_the_way_is_a_conflict_and_stays() {
    // A file where a folder must be, a folder where the file must be, a pipe and a socket-like thing under the name.
    let ground = Ground::new().await;
    ground.put("original/a", b"file").await.unwrap();
    fs::create_dir_all(ground.on_disk("original/folder")).unwrap();
    assert!(run("mkfifo", &[ground.on_disk("original/pipe").to_str().unwrap()]));
    let before = ground.names("original").len();
    for at in ["original/a/b", "original/a/b/c", "original/folder", "original/pipe"] {
        let refused = ground.put(at, b"new").await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Conflict, "{at}: {refused}");
        assert!(ground.pools.find(&path(at)).unwrap().is_none(), "{at} is served");
    }
    assert_eq!((ground.read("original/a").unwrap(), ground.names("original").len()), (b"file".to_vec(), before));
    assert!(ground.names(".pixelfox/incoming").is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    // A disk of 3 MiB: a file that can't fit is refused before its first byte, one of unknown size when it is full.
    let temp = tempfile::tempdir().unwrap();
    let ground = Ground::at(temp.path().canonicalize().unwrap());
    let Some(_mount) = Mount::tmpfs(&ground.on_disk(""), "3m") else { return };
    ground.welcome(vec![ground.told(1)]).await;
    let good = bytes(1, 1 << 20);
    ground.put("original/good", &good).await.unwrap();
    let refused = ground.receiver.open(&ground.pool(), Some(8 << 20)).unwrap_err();
    assert!(matches!(refused, LandingError::NoRoom(_)), "{refused}");
    // The books say nothing of it, so the disk itself has to say no.
    let disk = ground.pool().disk().unwrap();
    let mut incoming = disk.incoming().unwrap();
    let full = (0..40).find_map(|_| incoming.append(&bytes(2, 100_000)).err()).unwrap();
    assert!(matches!(full, DiskError::Full { .. }), "{full}");
    assert_eq!(LandingError::from(full).kind(), FaultKind::InsufficientStorage);
    drop(incoming);
    assert!(ground.names(".pixelfox/incoming").is_empty());
    assert_eq!(ground.read("original/good").unwrap(), good);
    ground.put("original/after", &bytes(3, 1 << 19)).await.unwrap();
}

#[tokio::test]
async fn a_read_only_disk_still_serves_and_takes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let ground = Ground::at(temp.path().canonicalize().unwrap());
    let Some(mount) = Mount::tmpfs(&ground.on_disk(""), "8m") else { return };
    ground.welcome(vec![ground.told(1)]).await;
    ground.put("original/a", b"a").await.unwrap();
    mount.read_only();
    // Before the next look has found it: refused as unhealthy, and a file that was on its way in likewise.
    let refused = ground.put("original/b", b"b").await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::Unavailable, "{refused}");
    let within = tokio::time::timeout(Duration::from_secs(4), async {
        while ground.pool().problem().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    within.await.expect("the refusal has the pool looked at");
    assert!(ground.pool().problem().unwrap().contains("the file system is read-only"));
    assert!(ground.pools.find(&path("original/a")).unwrap().is_some());
    // A node that starts on it sees what is wrong, and serves.
    let folder = ground.folder.clone();
    drop(ground);
    let again = Ground::at(folder);
    let mut told = again.told(1);
    told.initialize = false;
    crate::disk_pools::until(&again, vec![told], |report| report.problem.contains("read-only")).await;
    assert!(again.pools.find(&path("original/a")).unwrap().is_some());
    assert!(matches!(again.receiver.open(&again.pool(), Some(1)), Err(LandingError::Unhealthy(_))));
}

#[tokio::test]
async fn what_a_crash_left_on_its_way_in_is_resumed_or_swept_and_never_seen() {
    // Leftovers of another life: a temp file, one that is a link, one with a second name; none is served or trusted.
    let ground = Ground::new().await;
    let data = bytes(1, 600_000);
    let mut landing = ground.receiver.begin(&ground.pool(), begin("original/a", &data, None)).await.unwrap();
    send(&mut landing, &data[..300_000], 0).unwrap();
    drop(landing);
    let name = ground.names(".pixelfox/incoming").remove(0);
    let left = ground.on_disk(&format!(".pixelfox/incoming/{name}"));
    let disk = ground.pool().disk().unwrap();
    assert!(disk.walk("", "").next_page(10).unwrap().is_empty());
    for plant in ["link", "second name"] {
        let victim = ground.folder.join(format!("victim {plant}"));
        fs::write(&victim, b"precious").unwrap();
        fs::remove_file(&left).unwrap();
        match plant {
            "link" => symlink(&victim, &left).unwrap(),
            _ => fs::hard_link(&victim, &left).unwrap(),
        }
        let mut landing = ground.receiver.begin(&ground.pool(), begin("original/a", &data, None)).await.unwrap();
        send(&mut landing, &data[..100_000], 0).unwrap();
        drop(landing);
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{plant}");
    }
    let day = Duration::from_secs(24 * 3600);
    let now = fs::metadata(&left).unwrap().modified().unwrap();
    assert_eq!(disk.sweep(now + day, day).unwrap(), 0, "a day old and no more stays");
    assert_eq!(disk.sweep(now + 2 * day, day).unwrap(), 1);
    assert!(ground.names(".pixelfox/incoming").is_empty());
}

#[tokio::test]
async fn a_file_that_is_not_as_long_on_the_disk_as_it_came_gets_no_name() {
    // Cut or longer behind our back between the last byte and the sync: the digest of what came says nothing of that.
    let ground = Ground::new().await;
    let disk = ground.pool().disk().unwrap();
    for (at, length) in [("original/shorter", 3), ("original/longer", 5)] {
        let mut incoming = disk.incoming().unwrap();
        incoming.append(b"four").unwrap();
        let name = ground.names(".pixelfox/incoming").remove(0);
        let file = fs::File::options().write(true).open(ground.on_disk(&format!(".pixelfox/incoming/{name}")));
        file.unwrap().set_len(length).unwrap();
        let refused = give(&disk, incoming, at, b"four", Generation(1), Step::Give, None).await.unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert_eq!(cause, format!("it has {length} bytes instead of 4"), "{at}");
        assert!(disk.open(&path(at)).unwrap().is_none(), "{at}");
        assert!(ground.names(".pixelfox/incoming").is_empty(), "{at}");
    }
    assert!(matches!(place(&disk, "original/right", b"four", 1).await, Ok(Placed::Durable)));
}

#[test]
fn what_an_upload_has_left_goes_when_the_pool_is_opened() {
    // Nobody can go on with an upload; a file that a Replicate has left is kept for its offer. Whoever does not get the
    // lock removes nothing: the files may be another process's, which is at work.
    let temp = tempfile::tempdir().unwrap();
    let incoming = temp.path().join(".pixelfox/incoming");
    let open = || Disk::start(Site::open(temp.path()).unwrap(), Lease(0));
    let disk = open().unwrap();
    for name in ["u-0123", "r-0123"] {
        fs::write(incoming.join(name), b"left").unwrap();
    }
    open().unwrap_err();
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 2);
    disk.close();
    let _disk = open().unwrap();
    let left: Vec<_> = fs::read_dir(&incoming).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["r-0123"]);
}

#[tokio::test]
async fn a_pending_entry_is_text_and_nothing_more() {
    // Entries of another life and junk beside them: valid ones are listed, none is followed or removed.
    let ground = Ground::new().await;
    let id = ImageId::from_bytes([3; 16]);
    let dir = ground.on_disk(".pixelfox/pending");
    symlink("original/2026/a.png", dir.join(id.to_string())).unwrap();
    symlink("/etc/passwd", dir.join(ImageId::from_bytes([4; 16]).to_string())).unwrap();
    symlink("original/x", dir.join("no uuid")).unwrap();
    fs::write(dir.join(ImageId::from_bytes([5; 16]).to_string()), b"original/y").unwrap();
    let pending = ground.pool().disk().unwrap().pending_uploads().unwrap();
    assert_eq!((pending.len(), pending[0].id), (1, id));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4);
}

#[tokio::test]
async fn an_upload_that_never_got_its_name_is_not_pending() {
    // A folder stands where the file must be: seen only when the name is given, after the entry was made.
    let ground = Ground::new().await;
    fs::create_dir_all(ground.on_disk("original/a")).unwrap();
    let origin = Origin::Upload { id: ImageId::from_bytes([5; 16]), visitor: None };
    let upload = Publish { sha256: None, origin, ..by_hand("original/a", b"png") };
    assert_eq!(ground.publish(b"png", upload).await.unwrap_err().kind(), FaultKind::Conflict);
    assert!(ground.pool().disk().unwrap().pending_uploads().unwrap().is_empty());
}

#[tokio::test]
async fn the_committer_looks_again_at_what_a_decision_has_seen() {
    // Decided about generation 4; generation 5 came in between, then other bytes: neither is touched.
    let ground = Ground::new().await;
    let disk = ground.pool().disk().unwrap();
    place(&disk, "original/a", b"bytes", 5).await.unwrap();
    let seen = disk.open(&path("original/a")).unwrap().unwrap().existing();
    for (step, attempt) in [(Step::Raise(seen), attempt(11, 5)), (Step::Keep(seen), attempt(11, 5))] {
        let outcome = place_by(&disk, "original/a", b"bytes", step, Some(attempt)).await.unwrap();
        assert!(matches!(outcome, Placed::Stale), "{step:?}: {outcome:?}");
    }
    fs::write(ground.on_disk("original/a"), b"others").unwrap();
    for step in [Step::Raise(seen), Step::Keep(seen), Step::Replace(seen), Step::Give] {
        let outcome = place_by(&disk, "original/a", b"bytes", step, Some(attempt(12, 6))).await.unwrap();
        assert!(matches!(outcome, Placed::Changed(_)), "{step:?}: {outcome:?}");
        assert_eq!(ground.read("original/a").unwrap(), b"others");
    }
}

#[tokio::test]
async fn an_old_mark_of_nonsense_is_no_mark() {
    let ground = Ground::new().await;
    ground.put("original/a", b"a").await.unwrap();
    let file = fs::File::open(ground.on_disk("original/a")).unwrap();
    rustix::fs::fsetxattr(&file, "user.pixelfox", b"\xff\xff nonsense", rustix::fs::XattrFlags::empty()).unwrap();
    assert!(ground.mark("original/a").is_none());
    assert!(ground.pool().disk().unwrap().adopt(&path("original/a")).await.unwrap());
    assert_eq!(ground.generation("original/a"), Some(0));
}

#[tokio::test]
async fn nothing_changes_where_a_file_is_refused() {
    // The tree before and after a row of refusals is the same, byte by byte.
    let ground = Ground::new().await;
    ground.moved("original/a", b"good", attempt(11, 2)).await.unwrap();
    let before = tree(&ground.on_disk(""));
    let mut wrong = by_hand("original/b", b"bytes");
    wrong.sha256 = Some(Sha256::of(b"other"));
    ground.publish(b"bytes", wrong).await.unwrap_err();
    ground.put("original/a", b"evil").await.unwrap_err();
    ground.put("original/a/x", b"evil").await.unwrap_err();
    ground.moved("original/a", b"good", attempt(12, 1)).await.unwrap_err();
    assert_eq!(tree(&ground.on_disk("")), before);
}

#[tokio::test]
async fn a_disk_can_be_opened_once_by_whatever_name() {
    let temp = tempfile::tempdir().unwrap();
    let first = Disk::start(Site::open(temp.path()).unwrap(), Lease(0)).unwrap();
    let link = temp.path().join("link");
    symlink(temp.path(), &link).unwrap();
    let second = Disk::start(Site::open(&link).unwrap(), Lease(0)).unwrap_err();
    assert!(second.to_string().contains("in use as a pool already"), "{second}");
    let mount = temp.path().join("mount");
    if let Some(_mount) = Mount::bind(temp.path(), &mount) {
        let third = Disk::start(Site::open(&mount).unwrap(), Lease(0)).unwrap_err();
        assert!(third.to_string().contains("in use as a pool already"), "{third}");
    }
    Arc::into_inner(Arc::new(first)).unwrap().close();
    Disk::start(Site::open(temp.path()).unwrap(), Lease(0)).unwrap();
}

#[tokio::test]
async fn two_pools_on_one_file_system_share_its_room_and_its_reserve() {
    // A disk of 8 MiB that keeps 2 MiB: what one pool has under way the other does not get, the sum stays above the
    // reserve, and nobody meets a full disk. Both say that they are on the same one, and what they want.
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap().join("disk");
    let Some(_mount) = Mount::tmpfs(&folder, "8m") else { return };
    let ground = Ground::at(folder);
    let mut welcome = crate::disk_ground::welcome(vec![ground.told(1), ground.told(2)]);
    welcome.settings.reserve_bytes = Some(2 << 20);
    ground.pools.apply(welcome, pixelfox_node::pools::Source::Coordinator).await;
    let other = ground.pools.hosted_any(2).unwrap();
    let (one_data, other_data) = (bytes(1, 4 << 20), bytes(2, 1 << 20));
    let mut one = ground.receiver.open(&ground.pool(), Some(4 << 20)).unwrap();
    let refused = ground.receiver.open(&other, Some(3 << 20)).unwrap_err();
    assert!(matches!(refused, LandingError::NoRoom(_)), "{refused}");
    let reports = ground.pools.reports();
    assert_eq!((reports[0].wanted, reports[1].wanted), (0, 3 << 20));
    assert!(reports[0].file_system == reports[1].file_system && reports[0].file_system != 0, "{reports:?}");
    let mut two = ground.receiver.open(&other, Some(1 << 20)).unwrap();
    one.write(&one_data).unwrap();
    two.write(&other_data).unwrap();
    one.publish(crate::disk_ground::by_hand("original/one", &one_data)).await.unwrap();
    two.publish(crate::disk_ground::by_hand("original/two", &other_data)).await.unwrap();
    let refused = ground.receiver.open(&other, Some(1 << 20)).unwrap_err();
    assert!(matches!(refused, LandingError::NoRoom(_)), "the reserve stays free: {refused}");
}
