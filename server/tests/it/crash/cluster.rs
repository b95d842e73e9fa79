//! A server and two storage nodes, each a process of its own, built with crash points.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use pixelfox_proto::v1::{Job, ListNodesRequest, ListPoolsRequest};
use tempfile::TempDir;

use super::client::Client;
use crate::{
    checker,
    harness::admin_at,
    programs::{ADMIN_TOKEN, Running, environment, free_ports, program},
};

/// A process that is not ready by then never will be.
const START: Duration = Duration::from_secs(30);
/// Work that has not ended by then never will: longer than the longest wait between the first tries.
const SETTLE: Duration = Duration::from_secs(90);
/// A process that has nothing to do stops within this.
const STOP: Duration = Duration::from_secs(5);

/// What a process is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// The coordinator, with its embedded node.
    Server,
    S01,
    S02,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Server, Self::S01, Self::S02];

    pub(super) const fn node(self) -> &'static str {
        match self {
            Self::Server => "local",
            Self::S01 => "s01",
            Self::S02 => "s02",
        }
    }

    /// Its only pool: they are made in this order.
    pub(super) const fn pool(self) -> u64 {
        self as u64 + 1
    }

    /// Where its images go.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Server => Self::S01,
            Self::S01 => Self::S02,
            Self::S02 => Self::Server,
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::S01 | Self::S02 => "node-agent",
        }
    }
}

/// `make test` builds these beside the ordinary ones.
fn with_crash_points(name: &str) -> PathBuf {
    let dir = program("server").parent().unwrap().with_file_name("crash");
    let found = dir.join(name);
    assert!(found.try_exists().unwrap(), "{} is missing: make crash-programs", found.display());
    found
}

/// The processes, and what they need to be started again.
pub(super) struct Cluster {
    folder: TempDir,
    ports: [u16; 3],
    running: [Option<Running>; 3],
    changes: HashMap<(Role, &'static str), String>,
    pub(super) client: Client,
    printed: Vec<String>,
}

impl Cluster {
    /// In a folder of its own; nothing runs yet.
    pub(super) fn new() -> Self {
        let ports = free_ports();
        let folder = TempDir::new().unwrap();
        let client = Client::new(ports.map(|port| format!("127.0.0.1:{port}")), folder.path().to_owned());
        Self { folder, ports, running: [None, None, None], changes: HashMap::new(), client, printed: Vec::new() }
    }

    /// All three, one after the other, so that the pools are numbered as [`Role::pool`] says.
    pub(super) async fn start() -> Self {
        let mut cluster = Self::new();
        cluster.start_all().await;
        cluster
    }

    pub(super) async fn start_all(&mut self) {
        for role in Role::ALL {
            self.run(role, None);
            self.ready(role).await;
        }
    }

    /// Another value of a variable, from the next start of the process on.
    pub(super) fn change(&mut self, role: Role, variable: &'static str, value: impl Into<String>) {
        self.changes.insert((role, variable), value.into());
    }

    pub(super) fn port(&self, role: Role) -> u16 {
        self.ports[role as usize]
    }

    /// Starts a process, with a point (`name:n`) where it ends.
    pub(super) fn run(&mut self, role: Role, crash_point: Option<&str>) {
        let [app, ..] = self.ports;
        let mut environment = environment(role.node(), self.port(role), app, self.folder.path());
        environment.extend([
            ("AUTO_POOLS", "1".to_owned()),
            ("RUST_LOG", "info,pixelfox_node=debug,pixelfox_server=debug".to_owned()),
        ]);
        environment.extend(crash_point.map(|point| ("CRASH_POINT", point.to_owned())));
        let own = self.changes.iter().filter(|((of, _), _)| *of == role);
        environment.extend(own.map(|((_, variable), value)| (*variable, value.clone())));
        let program = with_crash_points(role.program());
        let running = Running::start_at(&program, &[], &environment, self.folder.path());
        assert!(self.running[role as usize].replace(running).is_none(), "{role:?} runs already");
    }

    pub(super) fn is_running(&self, role: Role) -> bool {
        self.running[role as usize].is_some()
    }

    /// Waits until a process is attached and its pool is healthy.
    pub(super) async fn ready(&self, role: Role) {
        let waiting = async {
            while !self.is_ready(role).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ready = tokio::time::timeout(START, waiting).await;
        assert!(ready.is_ok(), "{role:?} does not get ready\n{}", self.printed());
    }

    async fn is_ready(&self, role: Role) -> bool {
        let mut admin = admin_at(&self.client.address(Role::Server), ADMIN_TOKEN);
        let Ok(nodes) = admin.list_nodes(ListNodesRequest {}).await else { return false };
        let Ok(pools) = admin.list_pools(ListPoolsRequest {}).await else { return false };
        let online = nodes.into_inner().nodes.iter().any(|node| node.node_id == role.node() && node.online);
        online && pools.into_inner().pools.iter().any(|pool| pool.id == role.pool() && pool.healthy)
    }

    /// Waits for a process to end at `point`; a sentence where it does not.
    pub(super) async fn crashed(&mut self, role: Role, point: &str, patience: Duration) -> Result<(), String> {
        let running = self.running[role as usize].as_mut().unwrap();
        let ended = tokio::time::timeout(patience, running.ended()).await;
        let at_point = format!("crash point {point}");
        match ended {
            Ok(_) => {
                let mut gone = self.running[role as usize].take().unwrap();
                let printed = gone.rest().await;
                let is_there = printed.lines().any(|line| line == at_point);
                self.printed.push(format!("== {role:?}, ended\n{printed}"));
                if is_there { Ok(()) } else { Err(format!("{role:?} ended, but not at {point}")) }
            }
            Err(_) => Err(format!("{role:?} never came by {point}")),
        }
    }

    /// Waits for a process to stand still at `point`; a sentence where it does not.
    pub(super) async fn stopped(&self, role: Role, point: &str, patience: Duration) -> Result<(), String> {
        let (running, at_point) = (self.running[role as usize].as_ref().unwrap(), format!("crash point {point}"));
        let waiting = async {
            while !running.printed().lines().any(|line| line == at_point) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(patience, waiting).await.map_err(|_| format!("{role:?} never came by {point}"))
    }

    /// What stands still goes on.
    pub(super) fn go_on(&self, role: Role) {
        self.running[role as usize].as_ref().unwrap().signal(rustix::process::Signal::CONT);
    }

    /// Waits until `done` says so.
    pub(super) async fn until(&self, what: &str, done: impl AsyncFn() -> bool) {
        let waiting = async {
            while !done().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(SETTLE, waiting).await.is_ok(), "never: {what}\n{}", self.printed());
    }

    /// The only child of a job, once `done` says so.
    pub(super) async fn child(&self, parent: u64, what: &str, done: impl Fn(&Job) -> bool) -> Job {
        let mut last = None;
        let waiting = async {
            loop {
                let job = self.client.jobs(parent).await.swap_remove(0);
                if done(&job) {
                    return job;
                }
                last = Some(job);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(SETTLE, waiting).await {
            Ok(job) => job,
            Err(_) => panic!("never: {what}, but {last:?}\n{}", self.printed()),
        }
    }

    /// What a second process of a node says before it ends.
    pub(super) async fn twin(&self, role: Role) -> String {
        let mut twin = self.start_twin(role, &self.folder.path().join("state").join(role.node()));
        tokio::time::timeout(START, twin.ended()).await.expect("a second process with the same STATE_DIR runs");
        twin.rest().await
    }

    /// A copy of a node's STATE_DIR, which has its instance id.
    pub(super) fn copy_of_state(&self, role: Role) -> PathBuf {
        let copy = self.folder.path().join("copy-of-state");
        std::fs::create_dir(&copy).unwrap();
        for file in ["instance-id", "last-welcome"] {
            std::fs::copy(self.folder.path().join("state").join(role.node()).join(file), copy.join(file)).unwrap();
        }
        copy
    }

    /// A second process of a node, on a port of its own.
    pub(super) fn start_twin(&self, role: Role, state: &Path) -> Running {
        let [port] = free_ports();
        let mut environment = environment(role.node(), port, self.port(Role::Server), self.folder.path());
        environment.insert("STATE_DIR", state.display().to_string());
        Running::start_at(&with_crash_points(role.program()), &[], &environment, self.folder.path())
    }

    /// As `kill -9`.
    pub(super) async fn kill(&mut self, role: Role) {
        let gone = self.running[role as usize].take().unwrap();
        self.printed.push(format!("== {role:?}, killed\n{}", gone.printed()));
        gone.kill().await;
    }

    /// Waits until nothing is under way any more.
    pub(super) async fn settled(&self) -> Result<(), String> {
        let until = Instant::now() + SETTLE;
        loop {
            let mut open = checker::open_work(&self.database()).await;
            open.extend(self.unanswered());
            if open.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("still under way: {}", open.join("; ")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Uploads that the coordinator has not answered for.
    fn unanswered(&self) -> Vec<String> {
        let pending = Role::ALL.map(|role| self.client.pool_dir(role).join(".pixelfox/pending"));
        let entries = pending.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
        entries.map(|entry| format!("upload {:?}", entry.unwrap().file_name())).collect()
    }

    /// Ends every process as an operator would. A sentence about those that take their time.
    pub(super) async fn stop_all(&mut self) -> Result<(), String> {
        let mut slow = Vec::new();
        for role in [Role::S02, Role::S01, Role::Server] {
            if let Some(running) = self.running[role as usize].take() {
                let began = Instant::now();
                let printed = running.stop().await;
                self.printed.push(format!("== {role:?}, stopped\n{printed}"));
                if began.elapsed() > STOP {
                    slow.push(format!("{role:?} took {:?} to stop", began.elapsed()));
                }
            }
        }
        if slow.is_empty() { Ok(()) } else { Err(slow.join("; ")) }
    }

    /// What the checker has to say, with everything stopped.
    pub(super) async fn faults(&self) -> Vec<String> {
        let told = self.client.told();
        checker::check(&self.database(), &told.acknowledged, &told.deleted, &told.excuses).await
    }

    /// Settles, stops and checks.
    pub(super) async fn check(&mut self) -> Result<(), String> {
        self.settled().await?;
        self.stop_all().await?;
        let faults = self.faults().await;
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }

    pub(super) fn database(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("books.db").display())
    }

    /// Everything that was printed, for a test that has failed.
    pub(super) fn printed(&self) -> String {
        let running = Role::ALL.into_iter().filter_map(|role| {
            let running = self.running[role as usize].as_ref()?;
            Some(format!("== {role:?}, running\n{}", running.printed()))
        });
        self.printed.iter().cloned().chain(running).collect::<Vec<_>>().join("\n")
    }

    /// Leaves the folder for a person to look at.
    pub(super) fn keep(self) -> PathBuf {
        std::fs::write(self.folder.path().join("printed.txt"), self.printed()).unwrap();
        self.folder.keep()
    }
}
