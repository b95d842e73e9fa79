//! The ground that the disk tests stand on: a folder with pools in it, opened as a node does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pixelfox_node::disk::{Mark, Reason, Removal};
use pixelfox_node::pools::{NodePool, NodeSettings, Pool, PoolHome, Pools, Source, Welcome};
use pixelfox_node::receive::{Begin, Landing, LandingError, Origin, Publish, Receipt, Receiver, Start};
use pixelfox_proto::{Attempt, Cutter, FileMeta, Generation, JobId, Lease, PoolId, SessionEpoch, Sha256, StoredPath};

/// A node's storage in a folder of its own.
pub(crate) struct Ground {
    pub(crate) folder: PathBuf,
    pub(crate) pools: Arc<Pools>,
    pub(crate) receiver: Receiver,
    /// Last, so that it goes last.
    _temp: Option<tempfile::TempDir>,
}

impl Ground {
    /// One healthy pool, 1, without a limit.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// As `new`, with what `change` makes of the pool.
    pub(crate) async fn with(change: impl FnOnce(&mut NodePool)) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().canonicalize().unwrap();
        let ground = Self { _temp: Some(temp), ..Self::at(folder) };
        let mut told = ground.told(1);
        change(&mut told);
        ground.welcome(vec![told]).await;
        ground
    }

    /// Over a folder that is there already, with no pool yet.
    pub(crate) fn at(folder: PathBuf) -> Self {
        let pools = Pools::new(vec![folder.clone()]);
        Self { receiver: Receiver::new(Arc::clone(&pools)), pools, folder, _temp: None }
    }

    /// What a coordinator says of a new pool in this folder.
    pub(crate) fn told(&self, id: u64) -> NodePool {
        NodePool {
            id: PoolId::try_from(id).unwrap(),
            name: format!("img{id}"),
            base_path: self.folder.join(format!("pool{id}")),
            identity: format!("identity-{id}"),
            max_size: 0,
            public_base_url: "http://s01.local".into(),
            initialize: true,
            used_size: 0,
            reserved_size: 0,
            is_active: true,
            legacy_pool_id: None,
            retired: Vec::new(),
            facts: Default::default(),
        }
    }

    pub(crate) async fn welcome(&self, pools: Vec<NodePool>) {
        self.pools.apply(welcome(pools), Source::Coordinator).await;
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        self.pools.hosted(PoolId::try_from(1).unwrap()).unwrap()
    }

    /// A place in pool 1's directory.
    pub(crate) fn on_disk(&self, path: &str) -> PathBuf {
        self.folder.join("pool1").join(path)
    }

    /// By hand, with the digest that the bytes have.
    pub(crate) async fn put(&self, at: &str, bytes: &[u8]) -> Result<Receipt, LandingError> {
        self.publish(bytes, by_hand(at, bytes)).await
    }

    pub(crate) async fn publish(&self, bytes: &[u8], publish: Publish) -> Result<Receipt, LandingError> {
        let mut landing = self.receiver.open(&self.pool(), Some(bytes.len() as u64))?;
        landing.write(bytes)?;
        landing.publish(publish).await
    }

    /// By a move with this lease and generation.
    pub(crate) async fn moved(&self, at: &str, bytes: &[u8], attempt: Attempt) -> Result<Receipt, LandingError> {
        let mut landing = self.receiver.begin(&self.pool(), begin(at, bytes, Some(attempt))).await?;
        send(&mut landing, bytes, 0)?;
        landing.finish().await
    }

    pub(crate) fn read(&self, at: &str) -> Option<Vec<u8>> {
        match std::fs::read(self.on_disk(at)) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => panic!("{at}: {e}"),
        }
    }

    pub(crate) fn mark(&self, at: &str) -> Option<Mark> {
        self.pool().disk().unwrap().open(&path(at)).unwrap().and_then(|there| there.mark().cloned())
    }

    pub(crate) fn generation(&self, at: &str) -> Option<u64> {
        self.mark(at).map(|mark| mark.generation.0)
    }

    /// Names in a folder of the pool; none where the folder is not there.
    pub(crate) fn names(&self, at: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.on_disk(at)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub(crate) fn welcome(pools: Vec<NodePool>) -> Welcome {
    Welcome {
        epoch: SessionEpoch(1),
        pools,
        elsewhere: vec![PoolHome {
            id: PoolId::try_from(9).unwrap(),
            name: "img9".into(),
            node_id: "s09".parse().unwrap(),
            public_base_url: "http://s09.local".into(),
        }],
        settings: NodeSettings::default(),
        lease_floor: Lease(10),
    }
}

pub(crate) fn path(at: &str) -> StoredPath {
    at.parse().unwrap()
}

/// An attempt: leases above 10 are newer than this process.
pub(crate) fn attempt(lease: u64, generation: u64) -> Attempt {
    let job = JobId::try_from(1).unwrap();
    Attempt { lease: Lease(lease), job, attempt: 1, generation: Generation(generation) }
}

pub(crate) fn begin(at: &str, bytes: &[u8], attempt: Option<Attempt>) -> Begin {
    Begin {
        path: path(at),
        size: bytes.len() as u64,
        sha256: Some(Sha256::of(bytes)),
        attempt,
        meta: meta(),
        start: Start::Afresh,
    }
}

pub(crate) fn by_hand(at: &str, bytes: &[u8]) -> Publish {
    Publish {
        path: path(at),
        size: Some(bytes.len() as u64),
        sha256: Some(Sha256::of(bytes)),
        origin: Origin::Hand,
        meta: FileMeta::default(),
    }
}

pub(crate) fn meta() -> FileMeta {
    FileMeta { kind: "original".into(), content_type: "image/png".into(), ..FileMeta::default() }
}

/// Sends `bytes` from `from` on in small frames.
pub(crate) fn send(landing: &mut Landing, bytes: &[u8], from: usize) -> Result<(), LandingError> {
    let mut cutter = Cutter::new();
    if from > 0 {
        cutter.cut(&bytes[..from]);
    }
    for chunk in bytes[from..].chunks(100_000) {
        let cut = cutter.cut(chunk);
        landing.frame(cut.offset, chunk, cut.prefix.as_bytes())?;
    }
    Ok(())
}

pub(crate) fn removal(at: &str, generation: u64) -> Removal {
    Removal { path: path(at), generation: Generation(generation), lease: None, reason: Reason::Settled }
}

/// Bytes that differ by their seed.
pub(crate) fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap() ^ seed).collect()
}

/// What a tree of files looks like: paths and contents, our own directory left out.
pub(crate) fn tree(top: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![top.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let at = entry.path();
            let name = at.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            if entry.file_type().unwrap().is_dir() {
                if name != ".pixelfox" {
                    dirs.push(at);
                }
            } else {
                found.push((name, std::fs::read(&at).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}
