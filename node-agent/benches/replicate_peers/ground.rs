//! The sets of files and the folders that they go into.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use pixelfox_proto::{PrefixHasher, Sha256, StoredPath};

/// A set of equal files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) files: usize,
    pub(crate) bytes: usize,
    /// Over how many streams we send it: orders have 32 files at most, and a node works on four at once.
    pub(crate) streams: usize,
    /// Ratios to be reached, in the order of [`super::others::NAMES`]; 0: none is asked for.
    pub(crate) goals: [f64; 4],
    /// Processor seconds per GiB, both sides; 0: none is asked for.
    pub(crate) cpu_goal: f64,
}

/// The sets of the table. Source: the project's goals, in this order: raw, `rsync -W`, `rsync -W --fsync`, nginx.
pub(crate) const SETS: [Set; 3] = [
    Set { name: "1 × 1 GiB", files: 1, bytes: 1 << 30, streams: 1, goals: [0.85, 1.1, 0.85, 1.5], cpu_goal: 2.5 },
    Set { name: "75 × 4 MB", files: 75, bytes: 4_000_000, streams: 2, goals: [0.0, 0.7, 1.5, 0.6], cpu_goal: 0.0 },
    Set {
        name: "2,000 × 100 KB", files: 2000, bytes: 100_000, streams: 2, goals: [0.0, 0.9, 2.0, 0.9], cpu_goal: 4.5
    },
];

impl Set {
    /// The same with a sixteenth of the bytes: shows that everything runs, measures nothing.
    pub(crate) fn small(self) -> Self {
        let (files, bytes) = if self.files > 16 { (self.files / 16, self.bytes) } else { (1, self.bytes / 16) };
        Self { files, bytes, ..self }
    }

    pub(crate) fn total(&self) -> u64 {
        (self.files * self.bytes) as u64
    }
}

/// A file of a set.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: StoredPath,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

/// A set's files, made once, in a pool's directory.
pub(crate) struct Origin {
    pub(crate) set: Set,
    pub(crate) dir: PathBuf,
    pub(crate) items: Vec<Item>,
    manifest: PathBuf,
}

impl Origin {
    /// Makes the files, spread over ten days as uploads are.
    pub(crate) fn make(set: Set, ground: &Path, name: &str) -> Self {
        let dir = ground.join(name);
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ set.bytes as u64);
        let items = (0..set.files).map(|index| {
            let path = format!("original/2026/11/{:02}/{index:08}.jpg", index % 10 + 1);
            let at = dir.join(&path);
            fs::create_dir_all(at.parent().expect("in a folder")).expect("folders can be made");
            let sha256 = noise.write(&at, set.bytes);
            Item { path: path.parse().expect("well-formed"), size: set.bytes as u64, sha256 }
        });
        let items = items.collect();
        let origin = Self { set, items, manifest: ground.join(format!("{name}.list")), dir };
        origin.write_manifest();
        origin
    }

    fn write_manifest(&self) {
        let mut out = BufWriter::new(File::create(&self.manifest).expect("the list can be made"));
        for Item { path, size, sha256 } in &self.items {
            writeln!(out, "{path} {size} {sha256}").expect("the list can be written");
        }
        out.flush().expect("the list can be written");
    }

    pub(crate) fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// Whether every file has come whole below `dir`, by size.
    pub(crate) fn check(&self, dir: &Path) {
        for item in &self.items {
            let at = dir.join(item.path.as_str());
            let size = fs::metadata(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display())).len();
            assert_eq!(size, item.size, "{}", at.display());
        }
    }

    /// Gives back the blocks of a copy but keeps its files: a deleted inode would cost the next run seconds on ext4.
    pub(crate) fn empty(&self, dir: &Path) {
        for item in &self.items {
            let file = OpenOptions::new().write(true).open(dir.join(item.path.as_str())).expect("the copy is there");
            file.set_len(0).expect("a file can be cut");
        }
    }
}

/// Reads a list that [`Origin`] wrote.
pub(crate) fn read_manifest(path: &Path) -> Vec<Item> {
    let lines = BufReader::new(File::open(path).expect("the list is there")).lines();
    let item = |line: String| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three words");
        let (path, size, sha256) = (word(), word(), word());
        Item {
            path: path.parse().expect("a path"),
            size: size.parse().expect("a number"),
            sha256: sha256.parse().expect("a digest"),
        }
    };
    lines.map(|line| item(line.expect("text"))).collect()
}

/// Reads every file once, so that no run pays for a cold cache.
pub(crate) fn warm(origin: &Origin) {
    let mut buffer = vec![0; 1 << 20];
    for item in &origin.items {
        let mut file = File::open(origin.dir.join(item.path.as_str())).expect("the file is there");
        while file.read(&mut buffer).expect("the file can be read") > 0 {}
    }
}

/// Bytes that do not compress.
struct Noise(u64);

impl Noise {
    fn write(&mut self, at: &Path, bytes: usize) -> Sha256 {
        let mut hasher = PrefixHasher::new();
        let mut file = File::create(at).expect("the file can be made");
        let mut buffer = vec![0; 1 << 20];
        let mut left = bytes;
        while left > 0 {
            let length = left.min(buffer.len());
            for word in buffer.chunks_exact_mut(8) {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                word.copy_from_slice(&self.0.to_le_bytes());
            }
            file.write_all(&buffer[..length]).expect("the disk has room");
            hasher.update(&buffer[..length]);
            left -= length;
        }
        hasher.digest()
    }
}
