//! How much memory a transfer needs: the peak of each side, in fresh processes, for a small and a large file and for
//! further streams.

use std::{fs, fs::File, path::Path};

use pixelfox_proto::PrefixHasher;

use super::child::{Side, text};

/// Peaks in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peaks {
    pub(crate) sender: u64,
    pub(crate) receiver: u64,
}

/// Sends `files` files of `bytes` zeros each, over `streams` streams.
pub(crate) fn peaks(ground: &Path, name: &str, files: usize, bytes: u64, streams: usize) -> Peaks {
    let origin = ground.join(format!("{name}-from"));
    let fresh = ground.join(format!("{name}-to"));
    fs::create_dir_all(&fresh).expect("folders can be made");
    let sha256 = sha256_of_zeros(bytes);
    let mut list = String::new();
    for index in 0..files {
        let path = format!("original/2026/11/24/{index}.jpg");
        let at = origin.join(&path);
        fs::create_dir_all(at.parent().expect("in a folder")).expect("folders can be made");
        File::create(&at).and_then(|file| file.set_len(bytes)).expect("a file with a hole");
        list.push_str(&format!("{path} {bytes} {sha256}\n"));
    }
    let manifest = ground.join(format!("{name}.list"));
    fs::write(&manifest, list).expect("the list can be written");
    let mut receiver = Side::start(&["ours-receiver", text(&fresh)]);
    let address = receiver.hear();
    let streams = streams.to_string();
    let mut sender = Side::start(&["ours-sender", text(&origin), text(&manifest), &address, &streams]);
    sender.hear();
    sender.go();
    sender.hear();
    let peaks = Peaks { sender: sender.peak_kib(), receiver: receiver.peak_kib() };
    drop((sender, receiver));
    fs::remove_dir_all(&fresh).expect("our own folder");
    peaks
}

fn sha256_of_zeros(bytes: u64) -> pixelfox_proto::Sha256 {
    let zeros = vec![0; 1 << 20];
    let mut hasher = PrefixHasher::new();
    while hasher.len() < bytes {
        let length = usize::try_from(bytes - hasher.len()).map_or(zeros.len(), |left| left.min(zeros.len()));
        hasher.update(&zeros[..length]);
    }
    hasher.digest()
}
