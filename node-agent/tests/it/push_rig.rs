//! Two nodes in one process, and the worker of the first as a coordinator's orders reach it.

use std::{collections::BTreeMap, fs, net::SocketAddr};

use pixelfox_node::{
    coordinator::Coordinator,
    pools::NodeSettings,
    secret::SecretPair,
    send::Pusher,
    work::{Command, CommandId, FileEnd, Outcome, PushFile, PushFiles, Report, Work},
};
use pixelfox_proto::{Attempt, FileMeta, Generation, JobId, Lease, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use crate::{
    edge_rig::pool_id,
    replicate_rig::{SECRET, Spec, Target, WITHIN},
};

/// From this size on a sender asks what the target has already.
pub(crate) const LARGE: usize = 12 << 20;

/// Two nodes, and the worker of the first.
pub(crate) struct Pair {
    pub(crate) source: Target,
    pub(crate) target: Target,
    pub(crate) pusher: Pusher,
    pub(crate) work: Work,
    told: mpsc::Receiver<Report>,
}

/// All that was told of an order.
pub(crate) struct Told {
    pub(crate) ends: BTreeMap<String, FileEnd>,
    /// Bytes by the words about them.
    pub(crate) bytes: Vec<u64>,
    pub(crate) error: Option<String>,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        Self::with(SECRET, Spec::default()).await
    }

    pub(crate) async fn with(secret: &str, spec: Spec) -> Self {
        let (source, target) = (Target::start().await, Target::with(spec).await);
        let pusher = Pusher::new(source.plane.clone(), Some(SecretPair::new(secret, None)), None);
        let nobody = Coordinator::new(Vec::new(), None);
        let whois = pixelfox_node::whois::Whois::new(None, None);
        let (work, told) = Work::new(source.pools.clone(), source.plane.clone(), pusher.clone(), whois, nobody);
        Self { source, target, pusher, work, told }
    }

    /// Puts bytes into the source pool; how they are on the books.
    pub(crate) fn file(&self, name: &str, job: u64, content: &[u8]) -> PushFile {
        let path = format!("original/push/{name}");
        let on_disk = self.source.pool_dir().join(&path);
        fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
        fs::write(on_disk, content).unwrap();
        let job = JobId::try_from(job).unwrap();
        PushFile {
            path: path.parse().unwrap(),
            size: content.len() as u64,
            sha256: Sha256::of(content),
            attempt: Attempt { lease: Lease(100), job, attempt: 1, generation: Generation(2) },
            meta: FileMeta { kind: "original".into(), ..FileMeta::default() },
            trace: None,
        }
    }

    pub(crate) fn push_to(&self, id: u64, target_url: String, files: Vec<PushFile>) {
        let order = PushFiles { source: pool_id(1), target: pool_id(1), target_url, files };
        self.work.start(CommandId(id), Command::Push(order));
    }

    pub(crate) fn push(&self, id: u64, files: Vec<PushFile>) {
        self.push_to(id, self.target.url(), files);
    }

    pub(crate) async fn report(&mut self) -> Report {
        timeout(WITHIN, self.told.recv()).await.expect("nothing is told").unwrap()
    }

    /// Everything that is told of the order until its end.
    pub(crate) async fn told(&mut self, id: u64) -> Told {
        let mut told = Told { ends: BTreeMap::new(), bytes: Vec::new(), error: None };
        loop {
            let (ended, is_last) = match self.report().await {
                Report::Progress { command, bytes_done, files_done, files, .. } if command.0 == id => {
                    assert_eq!(files_done as usize, told.ends.len() + files.len());
                    told.bytes.push(bytes_done);
                    (files, false)
                }
                Report::Ended { command, files, error } if command.0 == id => {
                    told.error = error;
                    (files, true)
                }
                other => panic!("of another order: {other:?}"),
            };
            for end in ended {
                let before = told.ends.insert(end.path.to_string(), end);
                assert!(before.is_none(), "told twice: {before:?}");
            }
            if is_last {
                return told;
            }
        }
    }

    /// The bytes that have gone, as soon as any have.
    pub(crate) async fn first_bytes(&mut self) -> u64 {
        loop {
            match self.report().await {
                Report::Progress { bytes_done: 0, .. } => {}
                Report::Progress { bytes_done, .. } => return bytes_done,
                Report::Ended { .. } | Report::Probed { .. } => panic!("it has ended"),
            }
        }
    }

    pub(crate) fn pace(&self, move_bandwidth: u64) {
        self.work.tune(&NodeSettings { move_bandwidth, ..NodeSettings::default() });
    }

    pub(crate) async fn stop(self) {
        timeout(WITHIN, self.work.drain()).await.expect("an order does not end");
        drop((self.work, self.pusher));
        self.target.stop().await;
        self.source.stop().await;
    }
}

impl Told {
    pub(crate) fn of(&self, name: &str) -> (Outcome, &str) {
        let end = &self.ends[&format!("original/push/{name}")];
        (end.outcome, &end.message)
    }
}

/// Lets so many bytes through to `target`, then closes the connection, and every later one at once.
pub(crate) async fn cutting_proxy(target: SocketAddr, mut most: usize) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut proxy = JoinSet::new();
    proxy.spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.split(), far.split());
            let there = async {
                let mut buffer = vec![0; 16 << 10];
                while most > 0 {
                    let read = near_in.read(&mut buffer).await.unwrap_or(0);
                    if read == 0 || far_out.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                    most = most.saturating_sub(read);
                }
            };
            tokio::select! {
                () = there => {}
                _ = tokio::io::copy(&mut far_in, &mut near_out) => {}
            }
        }
    });
    (url, proxy)
}
