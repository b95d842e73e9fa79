//! Work goes on after a process was killed by kill -9: what is promised, held against real processes. In how many seconds,
//! `cargo bench` measures (`server/benches/moves.rs`).

use pixelfox_proto::v1::{Job, ListNodesRequest, Settings};

use super::cluster::{Cluster, Role};

/// So many bytes at so many a second that nothing ends by itself before it is killed.
const LARGE: usize = 3_000_000;
const SLOW: u64 = 100_000;
const IMAGES: usize = 4;

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
        for _ in 0..IMAGES {
            uuids.push(client.upload_at_last(Role::S01, &client.picture(LARGE)).await.uuid);
        }
        let parent = client.move_to(&uuids, Role::S02).await;
        let way = Self { cluster, parent };
        way.all("the first attempt", |job| job.state == "processing").await;
        way
    }

    /// Until all of the jobs are so.
    async fn all(&self, what: &str, is_so: impl Fn(&Job) -> bool) {
        let all = async || {
            let jobs = self.cluster.client.jobs(self.parent).await;
            jobs.len() == IMAGES && jobs.iter().all(&is_so)
        };
        self.cluster.until(what, all).await;
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
async fn a_node_that_is_killed_loses_its_jobs_and_has_them_again_when_it_is_back() {
    // The source, then the target: every job is pending, and under way again after its return, with a further attempt each
    // time. Bytes flow so slowly that none ends by itself before.
    let mut way = Way::begin().await;
    for (attempt, role) in [(2, Role::S01), (3, Role::S02)] {
        way.cluster.kill(role).await;
        way.all("every job waits", |job| job.state == "pending").await;
        way.cluster.run(role, None);
        way.cluster.until("it is back", async || way.is_attached(role).await).await;
        let again = |job: &Job| job.state == "processing" && job.attempt == attempt;
        way.all("every job is leased again", again).await;
    }
    way.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_has_its_nodes_again_and_its_jobs_move_on() {
    // Nothing that was under way is lost: it is another attempt.
    let mut way = Way::begin().await;
    way.cluster.kill(Role::Server).await;
    way.cluster.run(Role::Server, None);
    for role in Role::ALL {
        way.cluster.until("its nodes are attached", async || way.is_attached(role).await).await;
    }
    way.all("every job moves", |job| job.state == "processing" && job.attempt == 2).await;
    way.end().await;
}
