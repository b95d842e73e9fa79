//! What the operator's pages cost over a large cluster: 1,000,000 images and 1,000,000 jobs in 50 pools on 50 nodes, each
//! page asked for by two browsers at once, with other filters each time; the time to its last byte and its compressed
//! size. `cargo bench -p pixelfox-server --bench pages [-- [sqlite|postgres] [COUNT] [DIR/FILE]]`; a file is kept for the next run.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use axum::{Extension, Router, body::Body};
use http::{Request, StatusCode, header};
use pixelfox_admin_web::{Caller, in_process};
use pixelfox_server::{
    accounts::Accounts,
    books::{Books, BooksSpec},
    catalog::{AccountRule, PoolDraft, SaveRule, UnixMillis},
    config::SweepTimes,
    store::{AutoPools, Store},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::time::Instant;
use tower::ServiceExt as _;

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/postgres.rs"]
mod postgres;

/// Of the newest image and job.
const NOW: i64 = 1_790_000_000_000;
const POOLS: i64 = 50;
/// Times that each page is asked for.
const TIMES: usize = 200;
/// Browsers at once.
const BROWSERS: usize = 2;
const GOAL_MS: f64 = 300.0;
const GOAL_KB: f64 = 60.0;
const PASSWORD: &str = "correct horse battery staple";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let one = words.iter().any(|word| matches!(word.as_str(), "sqlite" | "postgres"));
    let is_asked = |name: &str| !one || words.iter().any(|word| word == name);
    if is_asked("sqlite") {
        let kept = words.iter().find(|word| word.contains('/')).map(PathBuf::from);
        let dir = tempfile::tempdir_in(".").unwrap();
        let path = kept.unwrap_or_else(|| dir.path().join("pages.db"));
        let is_made = path.try_exists().unwrap();
        let url = format!("sqlite://{}", std::path::absolute(path).unwrap().display());
        runtime.block_on(async {
            if !is_made {
                fill(&url, count).await;
            }
            measure("SQLite", &url, count).await;
        });
    }
    if is_asked("postgres") {
        runtime.block_on(async {
            let url = postgres::database().await;
            fill(&url, count).await;
            measure("PostgreSQL", &url, count).await;
        });
    }
}

async fn measure(name: &str, url: &str, count: i64) {
    println!("{name}: {count} images and {count} jobs");
    let store = Store::open(url).await.unwrap();
    let spec = BooksSpec {
        node: "local".parse().expect("a NODE_ID"),
        store: store.clone(),
        replication_secret: None,
        admin_token: None,
        auto_pools: AutoPools::ByHand,
        sweep: SweepTimes::default(),
        tls_ca_file: None,
    };
    let books = Books::start(spec).await.unwrap();
    let accounts = Accounts::new(store.clone());
    let rule = if store.has_accounts().await.unwrap() { AccountRule::Existing } else { AccountRule::New };
    accounts.set_password("admin".parse().unwrap(), PASSWORD.into(), rule).await.unwrap();
    let (secret, _) = accounts.sign_in("admin", PASSWORD.into(), None).await.unwrap();
    let caller = Caller { address: Ipv4Addr::LOCALHOST.into(), secure: false };
    let pages: Router = pixelfox_admin_web::pages(in_process(books.admin_in_process())).layer(Extension(caller));
    let cookie = format!("pixelfox_session={}", secret.reveal());
    let mut missed = 0;
    for (page, address) in ADDRESSES {
        let figures = times(&pages, &cookie, *address, count).await;
        let (ms, kb) = (figures.at(0.99), figures.bytes / 1000.0);
        let verdict = if ms < GOAL_MS && kb < GOAL_KB { "" } else { "   <- misses its goal" };
        missed += usize::from(!verdict.is_empty());
        println!(
            "  {page:<44} p50 {:>6.1} ms   p99 {ms:>6.1} ms   most {:>6.1} ms   {kb:>5.1} kB{verdict}",
            figures.at(0.5),
            figures.at(1.0),
        );
    }
    println!("  goals: p99 < {GOAL_MS} ms, < {GOAL_KB} kB compressed; missed by {missed}");
    books.shut_down(std::time::Duration::ZERO).await;
    store.close().await;
}

/// An address for each time.
type Address = fn(time: i64, count: i64) -> String;

const ADDRESSES: &[(&str, Address)] = &[
    ("dashboard", |_, _| "/admin".into()),
    ("images, newest", |_, _| "/admin/images".into()),
    ("images of a pool", |time, _| format!("/admin/images?pool={}", 1 + time % POOLS)),
    ("images of a node, largest", |time, _| format!("/admin/images?node=s{:02}&order=largest", 1 + time % POOLS)),
    ("images of the largest pool, smallest first", |_, _| "/admin/images?pool=1&order=smallest".into()),
    ("images by name", |_, _| "/admin/images?order=name&view=table".into()),
    ("images, a word that many have", |time, _| {
        format!("/admin/images?q={}", ["ferien", "img", "1", "meer"][usize::try_from(time.rem_euclid(4)).unwrap_or(0)])
    }),
    ("images, a word that one has", |time, count| format!("/admin/images?q=nr{}.", 1 + time * 7919 % count)),
    ("images, a word that none has", |_, _| "/admin/images?q=nirgends".into()),
    ("images, a word that none has, by size", |_, _| "/admin/images?q=nirgends&order=largest".into()),
    ("images, a word that none of a pool has", |time, _| format!("/admin/images?q=nirgends&pool={}", 1 + time % POOLS)),
    ("images by size and time", |time, _| {
        format!("/admin/images?size_from={}&size_to={}&day_from=2026-08-01&order=oldest", time % 7, time % 7 + 1)
    }),
    ("images, a UUID", |time, count| format!("/admin/images?q={}", uuid(1 + time * 7919 % count))),
    ("images, missing", |_, _| "/admin/images?state=lost".into()),
    ("an image", |time, count| format!("/admin/images/{}", uuid(1 + time * 7919 % count))),
    ("queue", |_, _| "/admin/queues".into()),
    ("queue, waiting", |_, _| "/admin/queues?state=pending".into()),
    ("queue, failed on a node", |time, _| format!("/admin/queues?state=failed&node=s{:02}", 1 + time % POOLS)),
    ("queue, completed on a node to a pool", |time, _| {
        format!("/admin/queues?state=completed&node=s{:02}&pool={}", 1 + time % POOLS, 1 + time * 3 % POOLS)
    }),
    ("queue, cancelled of a parent", |time, _| format!("/admin/queues?state=cancelled&parent={}", 1 + time % 10)),
    ("queue, what is not there", |_, _| "/admin/queues?state=completed&kind=verify".into()),
    ("a parent of many", |time, _| format!("/admin/queues/{}", 1 + time % 10)),
    ("storage", |_, _| "/admin/storage".into()),
    ("nodes", |_, _| "/admin/nodes".into()),
];

fn uuid(number: i64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

struct Figures {
    /// Sorted.
    ms: Vec<f64>,
    bytes: f64,
}

impl Figures {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a list"
    )]
    fn at(&self, share: f64) -> f64 {
        let at = (self.ms.len() as f64 * share).ceil() as usize;
        self.ms[at.clamp(1, self.ms.len()) - 1]
    }
}

async fn times(pages: &Router, cookie: &str, address: Address, count: i64) -> Figures {
    let browser = |first: usize| async move {
        let (mut ms, mut most) = (Vec::new(), 0);
        for time in (first..TIMES).step_by(BROWSERS) {
            let path = address(i64::try_from(time).unwrap(), count);
            let begin = Instant::now();
            let bytes = get(pages, cookie, &path).await;
            ms.push(begin.elapsed().as_secs_f64() * 1000.0);
            most = most.max(bytes);
        }
        (ms, most)
    };
    let all = futures_util::future::join_all((0..BROWSERS).map(browser)).await;
    let bytes = all.iter().map(|(_, most)| *most).max().unwrap_or(0);
    let mut ms: Vec<f64> = all.into_iter().flat_map(|(ms, _)| ms).collect();
    ms.sort_by(f64::total_cmp);
    Figures { ms, bytes: f64::from(u32::try_from(bytes).unwrap()) }
}

/// Bytes of the page, compressed.
async fn get(pages: &Router, cookie: &str, path: &str) -> usize {
    let request = Request::get(path).header("host", "bench").header("cookie", cookie).header("accept-encoding", "br");
    let response = pages.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    if response.status() == StatusCode::NOT_FOUND {
        return 0; // a page that this version does not have
    }
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let compressed = response.headers().contains_key(header::CONTENT_ENCODING);
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
    assert!(compressed, "{path}");
    bytes.len()
}

async fn fill(url: &str, count: i64) {
    let store = Store::open(url).await.unwrap();
    for number in 1..=POOLS {
        let node = format!("s{number:02}");
        let draft = PoolDraft::auto(
            &format!("pool {number}"),
            &node.parse().unwrap(),
            "/pool",
            &format!("http://{node}:4000"),
            &format!("http://{node}.example"),
        );
        store.create_pool(draft, SaveRule::Anyway, UnixMillis(NOW)).await.unwrap();
    }
    store.close().await;
    let numbers = "(WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)";
    for sql in FILL {
        let sql = sql.replace("{numbers}", &format!("{numbers} AS numbers"));
        execute(url, &sql.replace("{count}", &count.to_string()).replace("{now}", &NOW.to_string())).await;
    }
}

/// Two fifths of the images in the first pool, one pool empty; every hundredth copy of pool 3 lost. Jobs: ten large moves,
/// most of them over, a third waiting, some failed or cancelled, 64 running.
const FILL: &[&str] = &[
    "INSERT INTO images (uuid, share_token, original_name, name_key, content_type, size, width, height, sha256, user_id,
        created, pool_id, entry)
     SELECT '00000000-0000-4000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2),
        substr(CAST(1000000000000 + i AS TEXT), 2), word || ' Nr' || i || '.jpg', lower(word) || ' nr' || i || '.jpg',
        'image/jpeg', i * 7919 % 8000000 + 1000, 4000, 3000, {digest}, 0, {now} - ({count} - i) * 20000 - i * 31 % 977 * 1000,
        CASE WHEN i % 5 < 2 THEN 1 ELSE 2 + i * 7919 % 48 END, i
     FROM (SELECT i, CASE i % 4 WHEN 0 THEN 'IMG' WHEN 1 THEN 'Ferien am Meer' WHEN 2 THEN 'DSC' ELSE 'Screenshot' END
        AS word FROM {numbers}) AS named",
    "INSERT INTO files (image_id, stored_path, kind, content_type, width, height, size, sha256, generation)
     SELECT id, 'original/2026/11/24/' || uuid || '.jpg', 'original', content_type, width, height, size, sha256, 1
     FROM images",
    "INSERT INTO replicas (file_id, pool_id, generation, state, since)
     SELECT f.id, i.pool_id, 1, CASE WHEN i.pool_id = 3 AND i.id % 100 = 0 THEN 'lost' ELSE 'live' END, {now}
     FROM images i JOIN files f ON f.image_id = i.id",
    "UPDATE pools SET entered = {count}, images = (SELECT COUNT(*) FROM images i WHERE i.pool_id = pools.id),
        used_files = (SELECT COUNT(*) FROM images i WHERE i.pool_id = pools.id),
        used_bytes = (SELECT COALESCE(SUM(i.size), 0) FROM images i WHERE i.pool_id = pools.id)",
    "INSERT INTO jobs (kind, state, target_pool_id, source_pool_id, children_total, children_done, made, bytes_total, created,
        started)
     SELECT 'move_pool', CASE WHEN i > 6 THEN 'processing' ELSE 'completed' END, i + 1, i, {count} / 10,
        CASE WHEN i > 6 THEN 0 ELSE {count} / 10 END, {count} / 10, CAST(4000000 AS BIGINT) * {count} / 10, {now}, {now}
     FROM {numbers} WHERE i <= 10",
    "INSERT INTO jobs (kind, state, parent_id, node_id, image_id, image_uuid, source_pool_id, target_pool_id, bytes_total,
        bytes_done, attempt, last_error, created, started, finished)
     SELECT 'move_image', state, parent, 's' || substr(CAST(101 + parent AS TEXT), 2), i,
        '00000000-0000-4000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2), parent, parent + 1, 4000000,
        CASE WHEN state = 'completed' THEN 4000000 ELSE 0 END, 1,
        CASE WHEN state = 'failed' THEN 'pool img9: the disk says: input/output error' ELSE '' END, {now}, {now},
        CASE WHEN state IN ('pending', 'processing') THEN NULL ELSE {now} END
     FROM (SELECT i, 1 + (i - 1) * 10 / {count} AS parent, CASE WHEN i % 100 = 7 THEN 'failed' WHEN i % 1000 = 8 THEN 'cancelled'
        WHEN i * 10 / {count} < 6 THEN 'completed' WHEN i > {count} - 64 THEN 'processing' ELSE 'pending' END AS state
        FROM {numbers}) AS child",
];

async fn execute(url: &str, sql: &str) {
    if let Some(path) = url.strip_prefix("sqlite://") {
        let sql = sql.replace("{digest}", "zeroblob(32)");
        let options = SqliteConnectOptions::new().filename(Path::new(path)).disable_statement_logging();
        let options = options.pragma("cache_size", "-500000").pragma("synchronous", "OFF");
        let mut conn = options.connect().await.unwrap();
        conn.execute(AssertSqlSafe(sql)).await.unwrap();
        conn.close().await.unwrap();
    } else {
        let sql = sql.replace("{digest}", "decode(repeat('00', 32), 'hex')");
        let options: PgConnectOptions = url.parse().unwrap();
        let mut conn = options.disable_statement_logging().connect().await.unwrap();
        conn.execute(AssertSqlSafe(sql)).await.unwrap();
        conn.execute("VACUUM ANALYZE").await.unwrap();
        conn.close().await.unwrap();
    }
}
