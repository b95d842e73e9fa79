//! The checker: over a stopped cluster, or one in which nothing moves, it reads the books and the disks by ways of its
//! own and says what is not as ARCHITECTURE.md, "What must always be true", wants it. It changes nothing.
//!
//! It shares no code with the product: a defect in how the product reads its marks or its books shall not hide here.

mod books;
mod disks;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub(crate) use self::books::{Books, open_work};
use self::{
    books::Copy,
    disks::{Found, Place},
};

/// An image as the one who uploaded it knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Of the image.
    pub(crate) uuid: String,
    /// Of the original's bytes, in hex.
    pub(crate) sha256: String,
}

/// What may be otherwise than in a cluster to which nothing happened but crashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Excuses {
    /// Images whose bytes were spoiled or taken away on the disk itself: their copies may be suspect or lost.
    pub(crate) spoiled: BTreeSet<String>,
    /// Jobs may have failed, where the story makes them: their causes are asserted there.
    pub(crate) failed_jobs: bool,
}

/// Everything that is wrong, one sentence each; empty: nothing is. `deleted` are images whose deletion was
/// acknowledged: they are nowhere.
pub(crate) async fn check(
    database_url: &str,
    acknowledged: &[Acknowledged],
    deleted: &BTreeSet<String>,
    excuses: &Excuses,
) -> Vec<String> {
    let books = Books::read(database_url).await;
    let mut faults = books.faults(excuses);
    let mut disks: BTreeMap<i64, Vec<Found>> = BTreeMap::new();
    for pool in &books.pools {
        let mut walked = disks::walk(Path::new(&pool.base_path));
        faults.extend(walked.faults.drain(..).map(|fault| format!("pool {}: {fault}", pool.id)));
        disks.insert(pool.id, walked.found);
    }
    for (pool, found) in &disks {
        faults.extend(found.iter().filter_map(|file| unknown(&books, *pool, file)));
    }
    for copy in &books.copies {
        faults.extend(missing(copy, disks.get(&copy.pool).map_or(&[], Vec::as_slice)));
    }
    for image in acknowledged.iter().filter(|image| !deleted.contains(&image.uuid)) {
        faults.extend(unkept(&books, image, excuses));
    }
    faults.extend(
        books.images.keys().filter(|uuid| deleted.contains(*uuid)).map(|uuid| format!("image {uuid} was deleted")),
    );
    faults.extend(usage(&books, &disks, excuses));
    faults
}

/// What is wrong with a file that was found: the books must know it, as what it is.
fn unknown(books: &Books, pool: i64, file: &Found) -> Option<String> {
    let at = format!("pool {pool}: {}", file.name);
    let copy = books.copy(pool, &file.path);
    let generation = file.mark.as_ref().map_or(0, |mark| mark.generation);
    let known = match (&file.place, copy) {
        // Set aside for a person, and never the only one: each image is looked at for itself.
        (Place::Quarantine, _) => true,
        // Without a record: kept and served, never ours to delete.
        (Place::Named | Place::Trash(0), _) if generation == 0 => true,
        (Place::Named, Some(copy)) => match copy.state.as_str() {
            "live" | "suspect" => copy.generation == generation || copy.state == "suspect",
            "writing" | "condemned" => true,
            _ => false,
        },
        (Place::Trash(of), Some(copy)) => match copy.state.as_str() {
            "trashed" | "purging" | "condemned" => copy.generation == *of,
            "writing" => copy.trash_generation == Some(*of),
            _ => false,
        },
        (Place::Named | Place::Trash(_), None) => false,
    };
    (!known).then(|| match copy {
        Some(copy) => format!("{at} has generation {generation}, the books say {} of {}", copy.state, copy.generation),
        None => format!("{at} has generation {generation}, and the books know nothing of it"),
    })
}

/// What is wrong with a copy of the books: its file must be there, with its mark, and whole.
fn missing(copy: &Copy, found: &[Found]) -> Vec<String> {
    let at = format!("pool {}: {} ({} of {})", copy.pool, copy.path, copy.state, copy.generation);
    let place = match copy.state.as_str() {
        "live" => Place::Named,
        "trashed" => Place::Trash(copy.generation),
        "suspect" | "lost" => return Vec::new(),
        _ => return vec![format!("{at} is not settled")],
    };
    let Some(file) = found.iter().find(|file| file.path == copy.path && file.place == place) else {
        return vec![format!("{at} is not on the disk")];
    };
    let mut faults = Vec::new();
    if (file.size, &file.sha256) != (copy.size, &copy.sha256) {
        faults.push(format!("{at} has other bytes: {} of {}, not {}", file.size, file.sha256, copy.sha256));
    }
    match &file.mark {
        None => faults.push(format!("{at} has no mark")),
        Some(mark) => {
            // A clean-up gives what lay there before the move its lack of a record back.
            if mark.generation != copy.generation {
                faults.push(format!("{at} is marked with generation {}", mark.generation));
            }
            if (mark.size, &mark.sha256) != (copy.size, &copy.sha256) {
                faults.push(format!("{at} is marked with {} of {}", mark.size, mark.sha256));
            }
        }
    }
    faults
}

/// What is wrong with an image that somebody was told is kept: whole, in exactly one place.
fn unkept(books: &Books, image: &Acknowledged, excuses: &Excuses) -> Option<String> {
    let Acknowledged { uuid, sha256 } = image;
    let Some(pool) = books.images.get(uuid) else { return Some(format!("image {uuid} is not in the books any more")) };
    if excuses.spoiled.contains(uuid) {
        return None;
    }
    let copies: Vec<&Copy> = books.copies.iter().filter(|copy| copy.image == *uuid).collect();
    let paths: BTreeSet<&str> = copies.iter().map(|copy| copy.path.as_str()).collect();
    for path in &paths {
        let live: Vec<i64> =
            copies.iter().filter(|copy| copy.path == *path && copy.state == "live").map(|copy| copy.pool).collect();
        if live != [*pool] {
            return Some(format!("image {uuid} is in pool {pool}, and {path} is live in {live:?}"));
        }
    }
    let original = copies.iter().any(|copy| copy.sha256 == *sha256 && copy.state == "live");
    (!original).then(|| format!("image {uuid} has no live copy with the bytes that were uploaded ({sha256})"))
}

/// Counters against the disk: what is there and has a record, in use and in the trash.
/// Copies of spoiled images count as the books have them.
fn usage(books: &Books, disks: &BTreeMap<i64, Vec<Found>>, excuses: &Excuses) -> Vec<String> {
    let mut faults = Vec::new();
    let spoiled: Vec<&Copy> = books.copies.iter().filter(|copy| excuses.spoiled.contains(&copy.image)).collect();
    let is_spoiled = |file: &&Found| spoiled.iter().any(|copy| copy.path == file.path);
    for pool in &books.pools {
        let found = disks.get(&pool.id).map_or(&[][..], Vec::as_slice);
        let recorded = |file: &&Found| file.mark.as_ref().is_some_and(|mark| mark.generation > 0);
        let sum = |is_trash: bool| {
            let counts = |file: &&Found| match file.place {
                Place::Named => !is_trash,
                Place::Trash(_) => is_trash,
                Place::Quarantine => false,
            };
            let state = if is_trash { "trashed" } else { "suspect" };
            let theirs = spoiled.iter().filter(|copy| copy.pool == pool.id && copy.state == state);
            let sound = found.iter().filter(recorded).filter(counts).filter(|file| !is_spoiled(file));
            let files: Vec<u64> = sound.map(|file| file.size).chain(theirs.map(|copy| copy.size)).collect();
            (files.iter().sum::<u64>(), files.len() as u64)
        };
        let images = books.images.values().filter(|at| **at == pool.id).count() as u64;
        for (what, counted, there) in [
            ("in use", (pool.used_bytes, pool.used_files), sum(false)),
            ("in the trash", (pool.trash_bytes, pool.trash_files), sum(true)),
            ("on their way in", (pool.reserved_bytes, 0), (0, 0)),
            ("images", (0, pool.images), (0, images)),
        ] {
            if counted != there {
                faults.push(format!("pool {}: counters say {counted:?} {what}, there are {there:?}", pool.id));
            }
        }
    }
    faults
}
