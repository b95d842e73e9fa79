//! What lies on the nodes' disks, as a rebuild finds it: pools by their markers, files by their marks. Pure.

use pixelfox_proto::{FileMeta, Generation, ImageId, PoolId, Sha256, ShareToken, StoredPath, VisitorId};

use super::PoolDraft;

/// The only kind of file that makes an image.
const ORIGINAL: &str = "original";

/// A directory with a pool's marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPool {
    /// In the cluster that wrote it, where that is a number for a pool.
    pub id: Option<PoolId>,
    /// What its marker must say for its node to open it.
    pub identity: String,
    /// Everything else.
    pub draft: PoolDraft,
}

/// A file in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it is.
    pub path: StoredPath,
    /// In bytes, as the file system has it.
    pub size: u64,
    /// What is on record beside it; `None`: nothing, or nothing that can be read.
    pub mark: Option<FoundMark>,
}

/// What is on record beside a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMark {
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// 0: a file without a record.
    pub generation: Generation,
    /// Which image it is.
    pub meta: FileMeta,
    /// A check has found other bytes.
    pub is_suspect: bool,
    /// The visit that the upload belongs to.
    pub visitor: Option<VisitorId>,
}

/// A file whose mark makes an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// Its UUID.
    pub id: ImageId,
    /// What stands in its share link.
    pub share: ShareToken,
    /// Where the file is.
    pub path: StoredPath,
    /// By the mark.
    pub size: u64,
    /// By the mark.
    pub sha256: Sha256,
    /// Which stay of the file this is.
    pub generation: Generation,
    /// The rest.
    pub meta: FileMeta,
    /// Its bytes are known not to be those of the mark.
    pub is_suspect: bool,
    /// Whose it is, where it is nobody's.
    pub visitor: Option<VisitorId>,
}

/// What a file is to a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// An image's.
    Image(Box<FoundImage>),
    /// Nobody's: put there by hand or by an older node.
    Unowned,
    /// Its mark makes no image, and why.
    Damaged(String),
}

impl FoundFile {
    /// What it is.
    #[must_use]
    pub fn sort(self) -> Sorted {
        let Some(mark) = self.mark.filter(|mark| mark.generation.0 > 0) else { return Sorted::Unowned };
        let path = self.path;
        let damaged = |what: &str| Sorted::Damaged(format!("{path}: its mark has no {what}"));
        let Ok(id) = mark.meta.image_uuid.parse() else { return damaged("image's UUID") };
        let Ok(share) = mark.meta.share_token.parse() else { return damaged("share token") };
        if mark.meta.kind != ORIGINAL {
            return damaged("kind that this version knows");
        }
        Sorted::Image(Box::new(FoundImage {
            id,
            share,
            size: mark.size,
            sha256: mark.sha256,
            generation: mark.generation,
            visitor: mark.visitor.filter(|_| mark.meta.user_id == 0),
            meta: mark.meta,
            is_suspect: mark.is_suspect || mark.size != self.size,
            path,
        }))
    }
}

/// A file on record under the path of one that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnRecord {
    /// Its bytes.
    pub sha256: Sha256,
    /// Its image.
    pub image: ImageId,
    /// Of the copy in the image's pool.
    pub generation: Generation,
    /// That copy is not known to be good.
    pub is_suspect: bool,
    /// What the books have of it in the pool where it was found.
    pub here: Here,
    /// The pool that the image is in.
    pub pool: PoolId,
    /// A job of the image is open, or the image is being deleted: nobody else changes it.
    pub is_busy: bool,
}

/// What the books have of a file in the pool where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// Nothing.
    Nothing,
    /// A copy that is there, or comes in; or any, where the image itself is in this pool.
    Copy,
    /// One that its node is to put into the trash, but may not have yet.
    Leaving,
    /// One that is not under its name any more: in the trash, or lost.
    Gone,
}

/// What is on record about a found image, besides its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namesakes {
    /// Its UUID is an image's.
    pub id: bool,
    /// Its share token is an image's.
    pub share: bool,
    /// Its UUID is one of a deleted image.
    pub deleted: bool,
}

/// Whether the books are made anew, or only what they lack is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebuildRule {
    /// Of an empty database.
    Anew,
    /// Beside what is there, which stays as it is.
    Add,
    /// The same, of files whose copy on record is not where the books say.
    Instead,
}

/// What becomes of a found image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes into the books.
    New,
    /// This very copy is in them.
    Known,
    /// Its image is in another pool: from now on it is in this one.
    Newer,
    /// Its image is in another pool: this is an old copy.
    Older,
    /// Its image is in that other pool by the books: only if its file is not there, it is in this one.
    Elsewhere(PoolId),
    /// It stays as it is, and why.
    Left(String),
}

impl FoundImage {
    /// What becomes of it.
    #[must_use]
    pub fn fate(&self, record: Option<&OnRecord>, namesakes: Namesakes, rule: RebuildRule) -> Fate {
        let path = &self.path;
        let left = |why: &str| Fate::Left(format!("{path}: {why}"));
        match record {
            Some(record) if record.image != self.id => left(&format!("is the file of image {} too", record.image)),
            Some(record) if record.here == Here::Copy => Fate::Known,
            Some(record) if record.here != Here::Nothing && rule == RebuildRule::Anew => Fate::Known,
            Some(record) if record.here == Here::Leaving && record.is_busy => Fate::Known,
            Some(record) if record.sha256 != self.sha256 => left("lies in two pools with different bytes"),
            Some(record) if rule != RebuildRule::Anew && record.is_busy => {
                left("a job of its image is open: run this again when that has ended")
            }
            Some(record) if rule == RebuildRule::Add => Fate::Elsewhere(record.pool),
            Some(_) if rule == RebuildRule::Instead => Fate::Newer,
            Some(record) => match (record.is_suspect, self.is_suspect) {
                (true, false) => Fate::Newer,
                (false, true) => Fate::Older,
                _ if self.generation > record.generation => Fate::Newer,
                _ => Fate::Older,
            },
            None if namesakes.deleted => left("its image was deleted"),
            None if namesakes.id => left("its image has another file on record"),
            None if namesakes.share => left("its share token is another image's"),
            None => Fate::New,
        }
    }
}

/// A file whose image is in another pool by the books: to be looked for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// That pool.
    pub pool: PoolId,
    /// The file that was found.
    pub file: FoundFile,
    /// The books have it on its way to the trash.
    pub is_leaving: bool,
}

/// What became of a pool that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It came into the books.
    New(PoolId),
    /// They had it.
    Known(PoolId),
    /// It was deleted, and stays away.
    Deleted,
}

/// What a batch brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// Images that came into the books.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, with bytes that are not those of their mark.
    pub suspect: u64,
    /// Files that were in the books.
    pub known: u64,
    /// Old copies of files that are in another pool too.
    pub old_copies: u64,
    /// Images that are in another pool than the books said.
    pub moved: u64,
    /// Files to be looked for elsewhere.
    pub elsewhere: Vec<Elsewhere>,
    /// Files without a record.
    pub unowned: u64,
    /// What was left as it is, and why: the first of them.
    pub left: Vec<String>,
    /// And how many in all.
    pub left_total: u64,
}

impl TakenIn {
    /// So many sentences are kept.
    const MOST_LEFT: usize = 20;

    /// One more that was left as it is.
    pub fn leave(&mut self, why: String) {
        self.left_total += 1;
        if self.left.len() < Self::MOST_LEFT {
            self.left.push(why);
        }
    }

    /// And another batch.
    pub fn add(&mut self, other: Self) {
        self.images += other.images;
        self.bytes += other.bytes;
        self.suspect += other.suspect;
        self.known += other.known;
        self.old_copies += other.old_copies;
        self.moved += other.moved;
        self.unowned += other.unowned;
        self.left_total += other.left_total;
        self.left.extend(other.left);
        self.left.truncate(Self::MOST_LEFT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "5541e477-5af1-430b-8210-702a893306ab";

    fn file() -> FoundFile {
        let meta = FileMeta {
            image_uuid: UUID.into(),
            kind: ORIGINAL.into(),
            share_token: "6oZ4LnkPGPCK".into(),
            ..FileMeta::default()
        };
        let mark = FoundMark {
            size: 5,
            sha256: Sha256::of(b"bytes"),
            generation: Generation(3),
            meta,
            is_suspect: false,
            visitor: VisitorId::new(9),
        };
        FoundFile { path: "original/a.png".parse().unwrap(), size: 5, mark: Some(mark) }
    }

    fn changed(change: impl FnOnce(&mut FoundMark)) -> FoundFile {
        let mut file = file();
        change(file.mark.as_mut().unwrap());
        file
    }

    #[test]
    fn what_a_file_is_to_a_rebuild() {
        let image = |file: FoundFile| match file.sort() {
            Sorted::Image(image) => *image,
            other => panic!("{other:?}"),
        };
        assert_eq!(image(file()).visitor, VisitorId::new(9));
        assert_eq!(image(changed(|mark| mark.meta.user_id = 4)).visitor, None, "a user's is no visitor's");
        assert!(!image(file()).is_suspect);
        assert!(image(FoundFile { size: 4, ..file() }).is_suspect, "cut short");
        assert!(image(changed(|mark| mark.is_suspect = true)).is_suspect);
        assert_eq!(FoundFile { mark: None, ..file() }.sort(), Sorted::Unowned);
        assert_eq!(changed(|mark| mark.generation = Generation(0)).sort(), Sorted::Unowned);
        for (damage, want) in [
            (changed(|mark| mark.meta.image_uuid.clear()), "has no image's UUID"),
            (changed(|mark| mark.meta.share_token = "../x".into()), "has no share token"),
            (changed(|mark| mark.meta.kind = "webp".into()), "has no kind"),
        ] {
            assert!(matches!(damage.sort(), Sorted::Damaged(why) if why.contains(want)), "{want}");
        }
    }

    #[test]
    fn what_becomes_of_a_found_image() {
        let Sorted::Image(found) = file().sort() else { panic!("an image") };
        let record = OnRecord {
            sha256: found.sha256,
            image: found.id,
            generation: Generation(2),
            is_suspect: false,
            here: Here::Nothing,
            pool: PoolId::try_from(7).unwrap(),
            is_busy: false,
        };
        let other = OnRecord { sha256: Sha256::of(b"other"), ..record.clone() };
        let strange = OnRecord { image: ImageId::from_bytes([1; 16]), ..record.clone() };
        let (none, anew, add) = (Namesakes::default(), RebuildRule::Anew, RebuildRule::Add);
        let older = OnRecord { generation: Generation(9), ..record.clone() };
        let busy = OnRecord { is_busy: true, ..record.clone() };
        let leaving = OnRecord { here: Here::Leaving, ..busy.clone() };
        let at = |here| Some(OnRecord { here, ..record.clone() });
        for (why, record, namesakes, rule, want) in [
            ("nobody has it", None, none, anew, Fate::New),
            ("nobody has it", None, none, add, Fate::New),
            ("again", at(Here::Copy), none, anew, Fate::Known),
            ("again", at(Here::Copy), none, add, Fate::Known),
            ("an old copy, again", at(Here::Leaving), none, anew, Fate::Known),
            ("one that came back after it had gone", at(Here::Gone), none, add, Fate::Elsewhere(record.pool)),
            ("and is nowhere else", at(Here::Gone), none, RebuildRule::Instead, Fate::Newer),
            ("one that may still go", at(Here::Leaving), none, add, Fate::Elsewhere(record.pool)),
            ("one that a job lets go", Some(leaving), none, add, Fate::Known),
            ("a later stay", Some(record.clone()), none, anew, Fate::Newer),
            ("an earlier one", Some(OnRecord { generation: Generation(4), ..record.clone() }), none, anew, Fate::Older),
            ("by the books it is elsewhere", Some(record.clone()), none, add, Fate::Elsewhere(record.pool)),
            ("and is not there", Some(record.clone()), none, RebuildRule::Instead, Fate::Newer),
            ("nor is a later stay", Some(older), none, RebuildRule::Instead, Fate::Newer),
            ("the same one", Some(OnRecord { generation: Generation(3), ..record.clone() }), none, anew, Fate::Older),
            (
                "a good one for a bad one",
                Some(OnRecord { generation: Generation(9), is_suspect: true, ..record.clone() }),
                none,
                anew,
                Fate::Newer,
            ),
        ] {
            assert_eq!(found.fate(record.as_ref(), namesakes, rule), want, "{why}");
        }
        let bad = FoundImage { is_suspect: true, ..(*found).clone() };
        assert_eq!(bad.fate(Some(&record), none, anew), Fate::Older, "a bad one is never for a good one");
        for (record, namesakes, rule, want) in [
            (Some(busy.clone()), none, add, "a job of its image is open"),
            (Some(busy), none, RebuildRule::Instead, "a job of its image is open"),
            (Some(other.clone()), none, RebuildRule::Instead, "with different bytes"),
            (Some(other), none, anew, "with different bytes"),
            (Some(strange), none, anew, "is the file of image 01010101"),
            (None, Namesakes { deleted: true, ..none }, add, "was deleted"),
            (None, Namesakes { id: true, ..none }, anew, "has another file on record"),
            (None, Namesakes { share: true, ..none }, anew, "share token is another image's"),
        ] {
            let fate = found.fate(record.as_ref(), namesakes, rule);
            assert!(matches!(&fate, Fate::Left(why) if why.contains(want)), "{want}: {fate:?}");
        }
    }
}
