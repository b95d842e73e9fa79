//! How soon work goes on after a process was killed: what is promised in seconds, held against real processes.

use std::time::Duration;

use pixelfox_proto::v1::{Job, ListNodesRequest, Settings};
use tokio::time::Instant;

use super::cluster::{Cluster, Role};

/// After a node was killed its jobs are nobody's, and after it is back they are leased again.
const NODE_KILLED: Duration = Duration::from_secs(2);
/// After the coordinator answers again its nodes are attached, and bytes flow.
const ATTACHED: Duration = Duration::from_secs(5);
const MOVING: Duration = Duration::from_secs(10);
/// So many bytes at so many a second that nothing ends by itself before it is killed.
const LARGE: usize = 3_000_000;
const SLOW: u64 = 100_000;

/// Several large images on their way from s01 to s02.
struct Way {
    cluster: Cluster,
    parent: u64,
}

impl Way {
    async fn begin() -> Self {
        let cluster = Cluster::start().await;
        let client = &cluster.client;
        client.set(Settings { move_bandwidth_per_node: Some(SLOW), ..Settings::default() }).await;
        let mut uuids = Vec::new();
        for _ in 0..4 {
            uuids.push(client.upload_at_last(Role::S01, &client.picture(LARGE)).await.uuid);
        }
        let parent = client.move_to(&uuids, Role::S02).await;
        let way = Self { cluster, parent };
        way.within(MOVING, "the first attempt", |job| job.state == "processing").await;
        way
    }

    /// Until all of the jobs are so, which takes no longer than that.
    async fn within(&self, limit: Duration, what: &str, is_so: impl Fn(&Job) -> bool) {
        let all = async || self.cluster.client.jobs(self.parent).await.iter().all(&is_so);
        self.in_time(limit, what, all).await;
    }

    async fn in_time(&self, limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
        let began = Instant::now();
        self.cluster.until(what, is_so).await;
        let took = began.elapsed();
        eprintln!("{what}: {took:?}");
        assert!(took <= limit, "{what} took {took:?}\n{}", self.cluster.printed());
    }

    async fn is_attached(&self, role: Role) -> bool {
        let Ok(nodes) = self.cluster.client.admin().list_nodes(ListNodesRequest {}).await else { return false };
        nodes.into_inner().nodes.iter().any(|node| node.node_id == role.node() && node.online)
    }

    /// Everything moves to its end, and is checked.
    async fn end(mut self) {
        self.cluster.client.set(Settings { move_bandwidth_per_node: Some(0), ..Settings::default() }).await;
        self.cluster.check().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_loses_its_jobs_at_once_and_has_them_again_as_soon_as_it_is_back() {
    // The source, then the target, by kill -9: the jobs are pending within 2 s, and under way again within 2 s of its
    // return, with a further attempt each time.
    let mut way = Way::begin().await;
    for (attempt, role) in [(2, Role::S01), (3, Role::S02)] {
        way.cluster.kill(role).await;
        way.within(NODE_KILLED, "every job waits", |job| job.state == "pending").await;
        way.cluster.run(role, None);
        way.cluster.until("it is back", async || way.is_attached(role).await).await;
        let again = |job: &Job| job.state == "processing" && job.attempt == attempt;
        way.within(NODE_KILLED, "every job is leased again", again).await;
    }
    way.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_has_its_nodes_within_5_s_and_its_jobs_move_within_10() {
    // Counted from its first answer on. Nothing that was under way is lost: it is another attempt.
    let mut way = Way::begin().await;
    way.cluster.kill(Role::Server).await;
    way.cluster.run(Role::Server, None);
    let answers = async || way.cluster.client.admin().list_nodes(ListNodesRequest {}).await.is_ok();
    way.cluster.until("it answers", answers).await;
    let began = Instant::now();
    for role in Role::ALL {
        way.in_time(ATTACHED.saturating_sub(began.elapsed()), "a node is attached", async || {
            way.is_attached(role).await
        })
        .await;
    }
    let moves = |job: &Job| job.state == "processing" && job.attempt == 2;
    way.within(MOVING.saturating_sub(began.elapsed()), "every job moves", moves).await;
    way.end().await;
}
