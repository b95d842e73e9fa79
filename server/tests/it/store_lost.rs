//! A PostgreSQL that goes away and comes back: intents say so, nothing acknowledged is lost, nothing is done twice.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use pixelfox_server::{
    catalog::{PageAsk, TrashOutcome, UploadDecision},
    store::StoreError,
};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    postgres::{Cluster, Fsync},
    store_books::{Books, Home, SIZE, at, done, image, node, pool, result, upload},
};

/// A way to the database that the test cuts.
pub(crate) struct Proxy {
    port: u16,
    cut: CancellationToken,
    loses_answer: Arc<AtomicBool>,
    /// A statement after which the connection that it goes over loses its answer.
    fatal: Arc<Mutex<Option<&'static str>>>,
    socket: PathBuf,
    tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(cluster: &Cluster) -> Self {
        let cut = CancellationToken::new();
        let (loses_answer, fatal) = (Arc::default(), Arc::default());
        let mut proxy = Self { port: 0, cut, loses_answer, fatal, socket: cluster.socket(), tasks: JoinSet::new() };
        proxy.listen().await;
        proxy
    }

    /// The address of a database of the cluster, by this way.
    pub(crate) fn url(&self, direct: &str) -> String {
        let name = direct.split_once("localhost/").unwrap().1.split_once('?').unwrap().0;
        format!("postgres://pixelfox@127.0.0.1:{}/{name}?sslmode=disable", self.port)
    }

    async fn listen(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        self.cut = CancellationToken::new();
        let (cut, socket) = (self.cut.clone(), self.socket.clone());
        let (loses, fatal) = (Arc::clone(&self.loses_answer), Arc::clone(&self.fatal));
        self.tasks.spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                tokio::select! {
                    () = cut.cancelled() => return,
                    Ok((client, _)) = listener.accept() => {
                        let (socket, loses, fatal) = (socket.clone(), Arc::clone(&loses), Arc::clone(&fatal));
                        ways.spawn(async move {
                            if let Ok(server) = UnixStream::connect(socket).await {
                                carry(client, server, &loses, &fatal).await;
                            }
                        });
                    }
                }
            }
        });
    }

    /// Every connection ends, and no new one is taken.
    pub(crate) async fn cut(&mut self) {
        self.cut.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    pub(crate) async fn mend(&mut self) {
        self.listen().await;
    }

    /// The COMMIT of the first transaction with this in a statement of its reaches the server, its answer nobody.
    pub(crate) fn lose_answer_after(&self, statement: &'static str) {
        *self.fatal.lock() = Some(statement);
    }

    /// The next COMMIT reaches the server, its answer nobody.
    fn lose_next_answer(&self) {
        self.loses_answer.store(true, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: UnixStream, loses: &AtomicBool, fatal: &Mutex<Option<&'static str>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut buffer = vec![0; 64 << 10];
    let mut is_fatal = false;
    let asks = async {
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            let has = |part: &str| buffer[..count].windows(part.len()).any(|window| window == part.as_bytes());
            is_fatal |= fatal.lock().take_if(|part| has(part)).is_some();
            let lost = buffer[..count].windows(7).any(|window| window == b"COMMIT\0")
                && (is_fatal || loses.swap(false, Ordering::SeqCst));
            if to_server.write_all(&buffer[..count]).await.is_err() {
                return false;
            }
            if lost {
                return true;
            }
        }
        false
    };
    let lost = tokio::select! {
        lost = asks => lost,
        _end = copy(&mut from_server, &mut to_client) => false,
    };
    if lost {
        let mut answer = [0; 1];
        drop(from_server.read(&mut answer).await); // it is done: now the way breaks
    }
}

struct World {
    books: Books,
    cluster: Cluster,
    proxy: Proxy,
    direct: String,
}

impl World {
    async fn new() -> Self {
        let cluster = Cluster::start(Fsync::On);
        let (direct, proxy) = (cluster.database().await, Proxy::to(&cluster).await);
        let books = Books::open(Home::Postgres(proxy.url(&direct))).await;
        Self { books, cluster, proxy, direct }
    }

    /// The images that are there.
    async fn images(&self) -> u64 {
        self.books.store.image_totals().await.unwrap().images
    }
}

/// Asks until the database answers.
async fn until_it_answers<T, Fut>(mut ask: impl FnMut() -> Fut) -> T
where
    Fut: Future<Output = Result<T, StoreError>>,
{
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error @ StoreError::Unreachable { .. }) => assert!(Instant::now() < deadline, "{error}"),
            Err(error) => panic!("{error:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_that_goes_away_pauses_the_writers_and_nothing_acknowledged_is_lost() {
    // Sixteen clients upload one image after the other while the way is cut, the connections are ended and the server
    // is stopped as by a crash: each failure is `Unreachable`; what was acknowledged is there, each once.
    let mut world = World::new().await;
    let stop = CancellationToken::new();
    let mut clients = JoinSet::new();
    for client in 0..16_u64 {
        let (store, stop) = (world.books.store.clone(), stop.clone());
        clients.spawn(async move {
            let mut acknowledged = 0;
            while !stop.is_cancelled() {
                let number = client * 1_000_000 + acknowledged + 1;
                let kept = until_it_answers(|| store.commit_upload(upload(number), at(0))).await;
                assert!(matches!(kept, UploadDecision::Keep(kept) if kept.id == image(number)));
                acknowledged += 1;
            }
            acknowledged
        });
    }
    let goes_on = async |world: &World| {
        let before = until_it_answers(|| world.books.store.image_totals()).await.images;
        let deadline = Instant::now() + Duration::from_secs(20);
        while until_it_answers(|| world.books.store.image_totals()).await.images <= before {
            assert!(Instant::now() < deadline, "no upload any more");
            sleep(Duration::from_millis(5)).await;
        }
    };
    for _ in 0..3 {
        goes_on(&world).await;
        world.proxy.cut().await;
        let told = world.books.store.list_pools().await.unwrap_err();
        assert!(
            told.to_string().starts_with("the database can't be used now: ") && !told.may_have_happened(),
            "{told}"
        );
        world.proxy.mend().await;
        goes_on(&world).await;
        let options: PgConnectOptions = world.direct.parse().unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pixelfox'";
        sqlx::query(end).execute(&mut options.connect().await.unwrap()).await.unwrap();
        goes_on(&world).await;
        world.cluster.order("stop");
        let told = world.books.store.probe().await.unwrap_err();
        assert!(matches!(told, StoreError::Unreachable { .. }) && !told.may_have_happened(), "{told:?}");
        world.cluster.order("start");
    }
    goes_on(&world).await;
    stop.cancel();
    let mut acknowledged = 0;
    while let Some(client) = clients.join_next().await {
        acknowledged += client.unwrap();
    }
    assert_eq!(world.images().await, acknowledged);
    world.books.assert_counted().await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_done_twice() {
    // The server commits, the way breaks before it can say so. Whoever asks again gets the same answer, or is told that
    // it is over; the books have it once.
    let mut world = World::new().await;
    let store = world.books.store.clone();
    let lost =
        |answer: Option<StoreError>| assert!(answer.as_ref().is_some_and(StoreError::may_have_happened), "{answer:?}");

    world.proxy.lose_next_answer();
    lost(store.commit_upload(upload(1), at(0)).await.err());
    let again = store.commit_upload(upload(1), at(0)).await.unwrap();
    assert!(matches!(again, UploadDecision::Keep(kept) if kept.id == image(1)));
    let totals = store.image_totals().await.unwrap();
    assert_eq!((totals.images, totals.bytes), (1, SIZE));

    let mut asked = crate::store_books::ask(1..2, 2);
    asked.request_id = "one".into();
    world.proxy.lose_next_answer();
    lost(store.plan_move_images(asked.clone(), at(1)).await.err());
    let batch = store.plan_move_images(asked, at(1)).await.unwrap();
    assert_eq!(batch.images, 1);

    world.proxy.lose_next_answer();
    lost(store.lease_jobs(world.books.order(1, 2), at(2)).await.err());
    assert!(world.books.lease(1, 2).await.jobs.is_empty(), "it is leased; the end of the session returns it");
    world.books.attach().await;
    let job = world.books.lease(1, 2).await.jobs.remove(0);
    assert_eq!(job.attempt, 2);

    world.proxy.lose_next_answer();
    lost(store.commit_moves(vec![done(&job)], at(3)).await.err());
    let late = store.commit_moves(vec![done(&job)], at(3)).await.unwrap();
    assert_eq!((late.moved.len(), late.stale), (0, vec![job.job]), "done once; its orders come with the next session");
    assert_eq!(store.get_image(image(1)).await.unwrap().pool, pool(2));
    world.books.attach().await;
    let orders = store.delete_orders_due(node("local"), world.books.local, 10, at(4)).await.unwrap();
    assert_eq!(orders.len(), 1);

    world.proxy.lose_next_answer();
    let word = vec![result(&orders[0], TrashOutcome::Trashed)];
    lost(store.finish_trash(word.clone(), at(5)).await.err());
    store.finish_trash(word, at(5)).await.unwrap();
    world.books.assert_counted().await;
    let jobs = store.list_jobs(Default::default(), PageAsk { size: 10, token: String::new() }).await.unwrap();
    assert!(jobs.items.iter().all(|job| job.finished.is_some()), "{:?}", jobs.items);
}

#[tokio::test]
async fn a_way_that_swallows_everything_is_given_up() {
    // The server holds still in the middle of a transaction of another process: who waits for it is told in time, and
    // goes on when it ends.
    let world = World::new().await;
    let options: PgConnectOptions = world.direct.parse().unwrap();
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT pg_advisory_xact_lock(7310579811841)").execute(&mut other).await.unwrap();
    let told = timeout(Duration::from_secs(25), world.books.store.probe()).await.expect("told in time").unwrap_err();
    assert!(matches!(told, StoreError::Unreachable { .. }), "{told:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    until_it_answers(|| world.books.store.probe()).await;
}
