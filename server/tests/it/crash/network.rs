//! A bad network: between a node and the coordinator, and between two nodes. What the operator sees, and that nothing
//! is lost by it.

use pixelfox_proto::v1::{Job, ListNodesRequest};

use super::{
    client::Upload,
    cluster::{Cluster, Role},
    proxy::{Mode, Proxy},
};

/// Several frames, fewer bytes than would be offered to go on from.
const LARGE: usize = 3_000_000;
/// So slow that there is time to do something meanwhile.
const SLOW: Mode = Mode::Slow(1_500_000);

/// A cluster with a proxy from s01 to the coordinator and one from everybody to s02's data.
struct Lines {
    cluster: Cluster,
    to_coordinator: Proxy,
    to_s02: Proxy,
}

impl Lines {
    async fn start() -> Self {
        let mut cluster = Cluster::new();
        let to_coordinator = Proxy::to(cluster.port(Role::Server)).await;
        let to_s02 = Proxy::to(cluster.port(Role::S02)).await;
        cluster.change(Role::S01, "COORDINATOR_URL", to_coordinator.url());
        cluster.change(Role::S02, "NODE_URL", to_s02.url());
        cluster.start_all().await;
        Self { cluster, to_coordinator, to_s02 }
    }

    async fn upload(&self, to: Role) -> Upload {
        let client = &self.cluster.client;
        client.upload(to, &client.picture(LARGE)).await.unwrap()
    }

    /// Begins to move an image from s01 to s02 over a slow line, and waits until bytes flow.
    async fn slow_move(&self) -> (Upload, u64) {
        let upload = self.upload(Role::S01).await;
        self.to_s02.set(SLOW);
        let parent = self.cluster.client.move_to(std::slice::from_ref(&upload.uuid), Role::S02).await;
        let incoming = self.cluster.client.pool_dir(Role::S02).join(".pixelfox/incoming");
        let arrives =
            || std::fs::read_dir(&incoming).unwrap().any(|file| file.unwrap().metadata().is_ok_and(|f| f.len() > 0));
        self.cluster.until("bytes arrive", async || arrives()).await;
        (upload, parent)
    }

    async fn child(&self, parent: u64, what: &str, done: impl Fn(&Job) -> bool) -> Job {
        self.cluster.child(parent, what, done).await
    }

    async fn end(mut self) {
        self.cluster.check().await.unwrap();
    }
}

fn ended(job: &Job) -> bool {
    job.state == "completed"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_from_the_coordinator_loses_its_jobs_and_has_them_again_when_it_is_back() {
    // The move is under way, its bytes flow: what comes of that attempt counts for nothing, the next one completes.
    let lines = Lines::start().await;
    let (_, parent) = lines.slow_move().await;
    lines.to_coordinator.set(Mode::Cut);
    let job = lines.child(parent, "waits for its node", |job| job.state == "pending").await;
    assert!(job.waiting_for.contains("s01"), "{job:?}");
    lines.to_s02.set(Mode::Pass);
    lines.to_coordinator.set(Mode::Pass);
    let job = lines.child(parent, "completes", ended).await;
    assert!(job.attempt >= 2, "{job:?}");
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_between_nodes_that_is_cut_is_tried_again_with_its_cause_in_sight() {
    let lines = Lines::start().await;
    let (_, parent) = lines.slow_move().await;
    lines.to_s02.set(Mode::Cut);
    let job = lines.child(parent, "is tried again later", |job| job.state == "pending").await;
    assert!(job.last_error.contains("stream") || job.last_error.contains("reach"), "{job:?}");
    lines.to_s02.set(Mode::Pass);
    lines.child(parent, "completes", ended).await;
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_turns_over_on_the_way_is_found_and_the_file_sent_again() {
    // Somewhere in the data of the first frame.
    let lines = Lines::start().await;
    let upload = lines.upload(Role::S01).await;
    lines.to_s02.flip_after(100_000);
    let parent = lines.cluster.client.move_to(std::slice::from_ref(&upload.uuid), Role::S02).await;
    let job = lines.child(parent, "is tried again later", |job| !job.last_error.is_empty()).await;
    assert!(job.last_error.contains("checksum") || job.last_error.contains("frame"), "{job:?}");
    let job = lines.child(parent, "completes", ended).await;
    assert_eq!(job.attempt, 2, "{job:?}");
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_line_is_only_slow() {
    let lines = Lines::start().await;
    let (_, parent) = lines.slow_move().await;
    let job = lines.child(parent, "completes", ended).await;
    assert_eq!((job.attempt, job.last_error.as_str()), (1, ""), "{job:?}");
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_is_held_back_never_meets_the_file_that_came_back() {
    // s01 → s02; the order for the old copy is held on the line to s01. The way back waits for that word, and the copy
    // that then comes back stays.
    let lines = Lines::start().await;
    let (upload, there) = lines.slow_move().await;
    lines.to_coordinator.set(Mode::StallBack);
    lines.to_s02.set(Mode::Pass);
    let (client, name) = (lines.cluster.client.clone(), upload.path.clone());
    let landed = client.pool_dir(Role::S02).join(&name);
    lines.cluster.until("the file is there", async || landed.try_exists().unwrap()).await;
    let committed = async || client.image(&upload.uuid).await.pool_id == Role::S02.pool();
    lines.cluster.until("its new place is committed", committed).await;
    assert!(client.pool_dir(Role::S01).join(&name).try_exists().unwrap(), "the old copy is there still");
    let early = client.move_to(std::slice::from_ref(&upload.uuid), Role::S01).await;
    assert_eq!(early, 0, "a move back while the first has not ended is none");
    lines.to_coordinator.set(Mode::Pass);
    lines.child(there, "completes", ended).await;
    assert!(!client.pool_dir(Role::S01).join(&name).try_exists().unwrap(), "the old copy went to the trash");
    let back = client.move_to(std::slice::from_ref(&upload.uuid), Role::S01).await;
    lines.child(back, "completes", ended).await;
    assert!(client.pool_dir(Role::S01).join(&name).try_exists().unwrap());
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_whose_node_goes_away_with_it_is_said_again_and_does_not_meet_the_file_that_came_back() {
    // As above, but the line is cut while it holds the order: that one is lost, the next session brings it anew.
    let lines = Lines::start().await;
    let (upload, there) = lines.slow_move().await;
    lines.to_coordinator.set(Mode::StallBack);
    lines.to_s02.set(Mode::Pass);
    let client = lines.cluster.client.clone();
    let committed = async || client.image(&upload.uuid).await.pool_id == Role::S02.pool();
    lines.cluster.until("its new place is committed", committed).await;
    lines.to_coordinator.set(Mode::Cut);
    lines.to_coordinator.set(Mode::Pass);
    lines.child(there, "completes", ended).await;
    let back = client.move_to(std::slice::from_ref(&upload.uuid), Role::S01).await;
    lines.child(back, "completes", ended).await;
    assert!(client.pool_dir(Role::S01).join(&upload.path).try_exists().unwrap());
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: silence is only known as such after its time; make test-crash"]
async fn a_node_whose_line_swallows_everything_is_away_until_it_is_heard_again() {
    let lines = Lines::start().await;
    let (_, parent) = lines.slow_move().await;
    lines.to_coordinator.set(Mode::Stall);
    let client = lines.cluster.client.clone();
    let away = async || {
        let nodes = client.admin().list_nodes(ListNodesRequest {}).await.unwrap().into_inner().nodes;
        nodes.iter().any(|node| node.node_id == "s01" && !node.online)
    };
    lines.cluster.until("s01 counts as away", away).await;
    lines.to_s02.set(Mode::Pass);
    lines.to_coordinator.set(Mode::Pass);
    lines.child(parent, "completes", ended).await;
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: silence is only known as such after its time; make test-crash"]
async fn a_stream_between_nodes_that_stalls_is_given_up_and_tried_again() {
    let lines = Lines::start().await;
    let (_, parent) = lines.slow_move().await;
    lines.to_s02.set(Mode::Stall);
    let job = lines.child(parent, "is given up", |job| !job.last_error.is_empty()).await;
    assert_eq!(job.state, "pending", "{job:?}");
    lines.to_s02.set(Mode::Pass);
    lines.child(parent, "completes", ended).await;
    lines.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_started_twice_works_once() {
    // The same STATE_DIR: refused in one line. A copy of it, so that both have one instance id: refused by the
    // coordinator, and the first one works on in peace.
    let lines = Lines::start().await;
    let twin = lines.cluster.twin(Role::S01).await;
    assert!(twin.contains("STATE_DIR") && twin.contains("another process"), "{twin}");
    let upload = lines.upload(Role::S01).await;
    let copy = lines.cluster.copy_of_state(Role::S01);
    let twin = lines.cluster.start_twin(Role::S01, &copy);
    let refused = twin.says(&["not attached", "NODE_ID s01"]).await;
    assert!(refused.contains("STATE_DIR"), "{refused}");
    let parent = lines.cluster.client.move_to(std::slice::from_ref(&upload.uuid), Role::S02).await;
    let job = lines.child(parent, "completes", ended).await;
    assert_eq!(job.attempt, 1, "{job:?}\n{}", twin.printed());
    lines.end().await;
}
