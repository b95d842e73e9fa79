//! A private PgBouncer between the servers and their database, which hands out connections by session: everything that
//! belongs to a connection (settings, prepared statements, locks, LISTEN) still does.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdin, Stdio},
    time::Duration,
};

use pixelfox_proto::v1;
use pixelfox_server::store::{Rumour, Store};
use tokio::time::timeout;

use crate::{
    office::{FakeNode, Office, admins, hello},
    postgres::{Cluster, Fsync, as_owner},
    store_books::{Books, Home, at, image, pool, upload},
    store_servers::shared,
    two_servers::Pair,
};

/// Its standard input is held by the test process: when that ends, so does the pooler.
const KEEPER: &str = r#"
cat >"$2/pgbouncer.ini" <<END
[databases]
* = host=$2 port=5432 user=pixelfox
[pgbouncer]
pool_mode = $3
auth_type = any
listen_addr =
listen_port = 6432
unix_socket_dir = $2
default_pool_size = 100
log_connections = 0
log_disconnections = 0
log_stats = 0
END
"$1" "$2/pgbouncer.ini" &
read -r _
kill -9 "$!"
wait "$!"
"#;

/// A running PgBouncer before a cluster. Ends when it is dropped.
struct Pooler {
    keeper: Child,
    /// Its end is the pooler's.
    leash: Option<ChildStdin>,
    socket_dir: PathBuf,
    _says: BufReader<ChildStderr>,
}

impl Pooler {
    fn by_session(cluster: &Cluster) -> Self {
        let dir = cluster.socket().parent().unwrap().to_owned();
        let mut keeper = as_owner();
        keeper.args(["sh", "-c", KEEPER, "keeper"]).arg(binary()).arg(&dir).arg("session");
        keeper.stdin(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0);
        let mut keeper = keeper.spawn().expect("a shell can be started");
        let leash = keeper.stdin.take();
        let mut says = BufReader::new(keeper.stderr.take().unwrap());
        let up = says
            .by_ref()
            .lines()
            .map(Result::unwrap)
            .find(|line| ["process up", "FATAL"].iter().any(|word| line.contains(word)));
        assert!(up.as_ref().is_some_and(|line| line.contains("process up")), "PgBouncer did not start: {up:?}");
        Self { keeper, leash, socket_dir: dir, _says: says }
    }

    /// The address of a database of the cluster, by this way.
    fn url(&self, direct: &str) -> String {
        let name = direct.split_once("localhost/").unwrap().1.split_once('?').unwrap().0;
        format!("postgres://pixelfox@localhost:6432/{name}?host={}", self.socket_dir.display())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.leash.take());
        drop(self.keeper.wait());
    }
}

fn binary() -> PathBuf {
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"].map(PathBuf::from);
    let found = places.into_iter().find(|place| place.is_file());
    found.expect("PgBouncer is needed for this test: scripts/install-test-tools, or apt-get install pgbouncer")
}

#[tokio::test]
async fn behind_a_pooler_by_session_the_books_work_and_each_server_hears_the_other() {
    // Tables are made, images move there and back, two servers write at once, each takes the lock in turn; one hears the
    // other by LISTEN.
    let cluster = Cluster::start(Fsync::Off);
    let pooler = Pooler::by_session(&cluster);
    let books = Books::open(Home::Postgres(pooler.url(&cluster.database().await))).await;
    books.uploaded(1..4).await;
    books.moved(1..4, 1, 2).await;
    books.moved(1..3, 2, 1).await;
    let (books, other): (Books, Store) = shared(books).await;
    let mut line = other.listen().await.unwrap().unwrap();
    for number in (10..30).step_by(2) {
        let (one, two) = tokio::join!(
            books.store.commit_upload(upload(number), at(5)),
            other.commit_upload(upload(number + 1), at(5))
        );
        one.and(two).unwrap();
    }
    let heard = timeout(Duration::from_secs(20), line.next()).await.expect("heard").unwrap();
    assert_eq!(heard, Rumour::News);
    assert_eq!(other.image_totals().await.unwrap().images, 23);
    assert_eq!(other.get_image(image(1)).await.unwrap().pool, pool(1));
    assert_eq!(other.get_image(image(3)).await.unwrap().pool, pool(2));
    books.assert_counted().await;
}

#[tokio::test]
async fn two_servers_behind_a_pooler_by_session_share_the_work_also_after_it_was_started_again() {
    // Asked of b, carried out by a; then the pooler ends in the middle of everything and is there again: the settings that
    // a changes reach the node of b, which hears of them by b's line to the database alone, and images move as before.
    let cluster = Cluster::start(Fsync::Off);
    let mut pooler = Pooler::by_session(&cluster);
    let database = pooler.url(&cluster.database().await);
    let mut pair = Pair::open_by(&database, &database).await;
    let uploads = [pair.a.upload(&pair.s01, 1).await, pair.a.upload(&pair.s01, 2).await];
    pair.move_over(&uploads[0]).await;
    for limit in [77, 78] {
        limit_uploads(&pair.a, limit).await;
        pair.hear_of_limit(limit).await;
        if limit == 77 {
            drop(pooler);
            pooler = Pooler::by_session(&cluster);
        }
    }
    // b has its own way back by then; whose answer was lost on the way ended its sessions
    limit_uploads(&pair.b, 78).await;
    pair.attach_again().await;
    pair.move_over(&uploads[1]).await;
    pair.close().await;
}

/// Asked until the database is there.
async fn limit_uploads(office: &Office, limit: u32) {
    let settings = Some(v1::Settings { upload_rate_limit_per_ip: Some(limit), ..Default::default() });
    let mut admin = office.admin().await;
    let changed = async {
        while let Err(away) = admin.update_settings(admins(v1::UpdateSettingsRequest { settings })).await {
            assert_eq!(away.code(), tonic::Code::Unavailable, "{away}");
        }
    };
    timeout(Duration::from_secs(60), changed).await.expect("the database is there again");
}

impl Pair {
    /// Until the node of b has this limit. As a node does, it attaches anew where an answer that was lost ended its
    /// session.
    async fn hear_of_limit(&mut self, limit: u32) {
        let fits = |welcome: &v1::Welcome| welcome.settings.as_ref().unwrap().upload_rate_limit_per_ip == limit;
        while let Err(end) = self.s02.try_welcome_where(fits).await {
            assert_eq!(end.code(), tonic::Code::Unavailable, "{end}");
            self.s02 = attached(&self.b, "s02").await;
        }
    }

    async fn attach_again(&mut self) {
        (self.s01, self.s02) = (attached(&self.a, "s01").await, attached(&self.b, "s02").await);
    }
}

/// Tried until the database is there.
async fn attached(office: &Office, node: &str) -> FakeNode {
    let tried = async {
        loop {
            match FakeNode::try_attach(office, hello(node)).await {
                Ok(attached) => break attached,
                Err(away) => assert_eq!(away.code(), tonic::Code::Unavailable, "{away}"),
            }
        }
    };
    let node = timeout(Duration::from_secs(60), tried).await.expect("the database is there again");
    node.heartbeat(true).await;
    node
}
