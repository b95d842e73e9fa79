//! The power goes right after a receipt. The pool is an ext4 file system in a file that writes nothing unasked; a copy
//! of that file, taken at once and mounted, is what a disk shows after the power came back. Skipped, aloud, where the
//! test may not mount.

use std::fs;
use std::path::PathBuf;

use pixelfox_node::disk::{Check, Disk, Dropped, Reason, Removal, Site, Stored, Trashed};
use pixelfox_node::receive::{Origin, Publish};
use pixelfox_proto::{FileMeta, Generation, ImageId, Lease, Sha256};

use crate::disk_ground::{Ground, attempt, by_hand, bytes, path, removal};
use crate::disk_mount::{Mount, run};

const AT: &str = "original/2026/11/24/a.png";

/// A pool on a disk whose power can be cut.
struct Powered {
    ground: Ground,
    image: PathBuf,
    temp: tempfile::TempDir,
    _mount: Mount,
}

/// The disk after the power came back.
struct After {
    disk: Disk,
    top: PathBuf,
    _mount: Mount,
}

impl Powered {
    async fn new() -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let image = temp.path().join("image");
        fs::File::create(&image).unwrap().set_len(48 << 20).unwrap();
        if !run("mkfs.ext4", &["-q", "-I", "256", image.to_str().unwrap()]) {
            eprintln!("skipped: no mkfs.ext4");
            return None;
        }
        let ground = Ground::at(temp.path().canonicalize().unwrap());
        let mount = Mount::image(&image, &ground.on_disk(""))?;
        ground.welcome(vec![ground.told(1)]).await;
        Some(Self { ground, image, temp, _mount: mount })
    }

    fn cut(&self, name: &str) -> After {
        let copy = self.temp.path().join(format!("{name} image"));
        fs::copy(&self.image, &copy).unwrap();
        let top = self.temp.path().join(name);
        let mount = Mount::image(&copy, &top).unwrap();
        let disk = Disk::start(Site::open(&top).unwrap(), Lease(0)).unwrap();
        After { disk, top, _mount: mount }
    }
}

impl After {
    /// What is under the name, if it is whole: its bytes are what its mark says.
    async fn whole(&self, at: &str) -> Option<u64> {
        sound(self.disk.open(&path(at)).unwrap()?).await
    }

    async fn whole_in_trash(&self, generation: u64) -> Option<u64> {
        sound(self.disk.open_trashed(&path(AT), Generation(generation)).unwrap()?).await
    }
}

async fn sound(there: Stored) -> Option<u64> {
    let mark = there.mark().expect("a file without its mark");
    assert_eq!((there.size(), there.hash().await.unwrap()), (mark.size, mark.sha256));
    Some(mark.generation.0)
}

#[tokio::test]
async fn a_receipt_outlives_the_power() {
    // Into folders that are new, by a move that raises, from bytes that somebody copied in and never synced.
    let Some(powered) = Powered::new().await else { return };
    let ground = &powered.ground;
    ground.put("variants/webp/b", &bytes(2, 200_000)).await.unwrap();
    assert_eq!(powered.cut("new folders").whole("variants/webp/b").await, Some(0));
    // Large enough that the disk is still writing when its folder could be synced.
    ground.put("original/large", &bytes(4, 7 << 20)).await.unwrap();
    assert_eq!(powered.cut("large").whole("original/large").await, Some(0));
    ground.moved(AT, &bytes(1, 50_000), attempt(11, 2)).await.unwrap();
    assert_eq!(powered.cut("moved").whole(AT).await, Some(2));
    assert!(ground.moved(AT, &bytes(1, 50_000), attempt(12, 3)).await.unwrap().skipped);
    assert_eq!(powered.cut("raised").whole(AT).await, Some(3));
    fs::create_dir_all(ground.on_disk("original/by/hand")).unwrap();
    fs::write(ground.on_disk("original/by/hand/c"), bytes(3, 300_000)).unwrap();
    assert!(ground.put("original/by/hand/c", &bytes(3, 300_000)).await.unwrap().skipped);
    assert_eq!(powered.cut("copied in").whole("original/by/hand/c").await, Some(0));
}

#[tokio::test]
async fn a_replaced_file_is_in_quarantine_and_the_new_one_in_its_place() {
    let Some(powered) = Powered::new().await else { return };
    let ground = &powered.ground;
    ground.put("original/a", b"old").await.unwrap();
    ground.put("original/a", b"new").await.unwrap();
    let after = powered.cut("replaced");
    assert_eq!(fs::read(after.top.join("original/a")).unwrap(), b"new");
    let aside = fs::read_dir(after.top.join(".pixelfox/quarantine")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read(aside.join("original/a")).unwrap(), b"old");
}

#[tokio::test]
async fn trash_and_restore_outlive_the_power() {
    let Some(powered) = Powered::new().await else { return };
    let ground = &powered.ground;
    ground.moved(AT, &bytes(1, 50_000), attempt(11, 2)).await.unwrap();
    let pool = ground.pool();
    assert!(matches!(pool.trash(removal(AT, 2)).await.unwrap(), Trashed::Trashed { .. }));
    let after = powered.cut("trashed");
    assert_eq!((after.whole(AT).await, after.whole_in_trash(2).await), (None, Some(2)));
    pool.restore(&path(AT), (Generation(2), Generation(4)), Check::Mark).await.unwrap();
    assert_eq!(powered.cut("restored").whole(AT).await, Some(4));
    let given_up = Removal { reason: Reason::GivenUp, ..removal(AT, 4) };
    pool.trash(given_up).await.unwrap();
    let after = powered.cut("given up");
    assert_eq!((after.whole(AT).await, after.whole_in_trash(4).await), (None, Some(4)));
}

#[tokio::test]
async fn an_upload_and_its_pending_entry_outlive_the_power_together() {
    let Some(powered) = Powered::new().await else { return };
    let ground = &powered.ground;
    let id = ImageId::from_bytes([7; 16]);
    let meta = FileMeta { image_uuid: id.to_string(), ..FileMeta::default() };
    let upload = Publish { sha256: None, origin: Origin::Upload { id, visitor: None }, meta, ..by_hand(AT, b"png") };
    ground.publish(b"png", upload).await.unwrap();
    let after = powered.cut("uploaded");
    assert_eq!(after.whole(AT).await, Some(1));
    let pending = after.disk.pending_uploads().unwrap();
    assert_eq!(pending.iter().map(|upload| (upload.id, upload.path.as_str())).collect::<Vec<_>>(), [(id, AT)]);
    let disk = ground.pool().disk().unwrap();
    assert_eq!(disk.drop_upload(&path(AT), id).await.unwrap(), Dropped::Dropped);
    assert_eq!(powered.cut("dropped").whole(AT).await, None, "a file that was dropped does not come back");
}

#[tokio::test]
async fn a_pool_that_was_made_stays_made() {
    // The marker is durable before the first healthy report ends `initialize`.
    let Some(powered) = Powered::new().await else { return };
    let after = powered.cut("made");
    let marker = after.disk.marker().unwrap().unwrap();
    assert!(marker.contains("identity-1"), "{marker}");
    assert_eq!(Sha256::of(marker.as_bytes()), Sha256::of(&powered.ground.read(".pixelfox/pool.json").unwrap()));
}
