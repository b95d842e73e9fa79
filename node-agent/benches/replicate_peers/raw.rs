//! The raw reference: what the same work costs without any of our rooms. One thread a side, plain TCP, reused buffers of
//! 256 KiB, the same hashing on both sides, fsync, rename and fsync of the directory, one file after the other.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::{
    Run,
    child::{self, Side, text},
    ground::{Origin, read_manifest},
    now,
};

const BUFFER: usize = 256 << 10;

/// Copies a set into `fresh` and says what it took.
pub(crate) fn run(origin: &Origin, fresh: &Path) -> Run {
    let mut receiver = Side::start(&["raw-receiver", text(fresh)]);
    let address = receiver.hear();
    let mut sender = Side::start(&["raw-sender", text(&origin.dir), text(origin.manifest()), &address]);
    sender.hear();
    let before = receiver.cpu_seconds() + sender.cpu_seconds();
    sender.go();
    let seconds = sender.hear().parse().expect("a number");
    Run { seconds, cpu_seconds: receiver.cpu_seconds() + sender.cpu_seconds() - before }
}

/// As a child.
pub(crate) fn receive(dir: &Path) -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    child::say(&listener.local_addr().expect("bound").to_string());
    let (mut stream, _) = listener.accept().expect("the sender comes");
    stream.set_nodelay(true).expect("TCP");
    let mut buffer = vec![0; BUFFER];
    while let Some((path, mut left)) = head(&mut stream) {
        let temp = dir.join("incoming");
        let mut file = File::create_new(&temp).expect("a new file");
        let mut hasher = Sha256::new();
        while left > 0 {
            let length = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
            stream.read_exact(&mut buffer[..length]).expect("the sender lives");
            hasher.update(&buffer[..length]);
            file.write_all(&buffer[..length]).expect("the disk has room");
            left -= length as u64;
        }
        let mut digest = [0; 32];
        stream.read_exact(&mut digest).expect("the sender lives");
        assert_eq!(digest, *hasher.finalize(), "{path}");
        file.sync_all().expect("synced");
        let at = dir.join(&path);
        let parent = at.parent().expect("in a folder");
        fs::create_dir_all(parent).expect("folders can be made");
        rustix::fs::rename(&temp, &at).expect("renamed");
        File::open(parent).and_then(|dir| dir.sync_all()).expect("synced");
        stream.write_all(&[1]).expect("the sender lives");
    }
    child::live()
}

fn head(stream: &mut TcpStream) -> Option<(String, u64)> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut path = vec![0; usize::from(u16::from_le_bytes(length))];
    stream.read_exact(&mut path).expect("the sender lives");
    let mut size = [0; 8];
    stream.read_exact(&mut size).expect("the sender lives");
    Some((String::from_utf8(path).expect("text"), u64::from_le_bytes(size)))
}

/// As a child.
pub(crate) fn send(dir: &Path, manifest: &Path, address: &str) {
    let items = read_manifest(manifest);
    child::say("ready");
    child::wait();
    let start = now();
    let mut stream = TcpStream::connect(address).expect("the receiver listens");
    stream.set_nodelay(true).expect("TCP");
    let mut buffer = vec![0; BUFFER];
    for item in &items {
        let path = item.path.as_str();
        let mut head = u16::try_from(path.len()).expect("short").to_le_bytes().to_vec();
        head.extend(path.as_bytes());
        head.extend(item.size.to_le_bytes());
        stream.write_all(&head).expect("the receiver lives");
        let mut file = File::open(dir.join(path)).expect("the file is there");
        let mut hasher = Sha256::new();
        loop {
            let length = file.read(&mut buffer).expect("the file can be read");
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            stream.write_all(&buffer[..length]).expect("the receiver lives");
        }
        stream.write_all(&hasher.finalize()).expect("the receiver lives");
    }
    let mut receipts = vec![0; items.len()];
    stream.read_exact(&mut receipts).expect("a receipt for each");
    child::say(&start.elapsed().as_secs_f64().to_string());
    child::wait();
}

/// GB/s of SHA-256 on one core, over a buffer that stays in its cache.
pub(crate) fn sha256_gigabytes_per_second(bytes: usize) -> f64 {
    let buffer = vec![0x5a; BUFFER];
    let start = now();
    let mut hasher = Sha256::new();
    for _ in 0..bytes / BUFFER {
        hasher.update(&buffer);
    }
    std::hint::black_box(hasher.finalize());
    #[expect(clippy::cast_precision_loss, reason = "a few gigabytes")]
    let gigabytes = bytes as f64 / 1e9;
    gigabytes / start.elapsed().as_secs_f64()
}
