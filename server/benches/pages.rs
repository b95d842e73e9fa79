//! What the operator's pages cost over a large cluster: 1,000,000 images and 1,000,000 jobs in 50 pools on 50 nodes, each
//! page asked for by two browsers at once, with other filters each time; the time to its last byte and its compressed
//! size. Then what is done to many at once, one after the other. And, with 50 nodes that are attached, each a node of its
//! own in this process, the pages by HTTP.
//! `cargo bench -p pixelfox-server --bench pages [-- [sqlite|postgres|attached] [COUNT] [DIR/FILE]]`; a file is kept for
//! the next run.
#![expect(clippy::unwrap_used, reason = "a bench that can't go on ends where it stands")]

mod pages_parts;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/postgres.rs"]
mod postgres;

use std::{net::Ipv4Addr, path::PathBuf};

use axum::{Extension, Router};
use pages_parts::{
    actions, attached, fill,
    site::{self, Site},
};
use pixelfox_admin_web::{Caller, in_process};
use pixelfox_server::{
    accounts::Accounts,
    books::{Books, BooksSpec},
    catalog::AccountRule,
    config::SweepTimes,
    store::{AutoPools, Store},
};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let one = words.iter().any(|word| matches!(word.as_str(), "sqlite" | "postgres" | "attached"));
    let is_asked = |name: &str| !one || words.iter().any(|word| word == name);
    if is_asked("sqlite") {
        let kept = words.iter().find(|word| word.contains('/')).map(PathBuf::from);
        let dir = tempfile::tempdir_in(".").unwrap();
        let path = kept.unwrap_or_else(|| dir.path().join("pages.db"));
        let is_made = path.try_exists().unwrap();
        let url = format!("sqlite://{}", std::path::absolute(path).unwrap().display());
        runtime.block_on(async {
            if !is_made {
                fill::books(&url, count).await;
            }
            let forms = if is_made { Forms::Leave } else { Forms::Send };
            measure("SQLite", &url, count, forms).await;
        });
    }
    if is_asked("postgres") {
        runtime.block_on(async {
            let url = postgres::database().await;
            fill::books(&url, count).await;
            measure("PostgreSQL", &url, count, Forms::Send).await;
        });
    }
    if is_asked("attached") {
        runtime.block_on(attached::measure(count));
    }
}

/// Of the account that asks.
const PASSWORD: &str = "correct horse battery staple";

/// They change the books, which a file that was kept must not do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forms {
    Send,
    Leave,
}

async fn measure(name: &str, url: &str, count: i64, forms: Forms) {
    println!("{name}: {count} images and {count} jobs");
    let store = Store::open(url).await.unwrap();
    let spec = BooksSpec {
        public_domain: "http://pixelfox.test".into(),
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
    let site = Site::of(pages, secret.reveal());
    site::measure(&site, count).await;
    if forms == Forms::Send {
        actions::measure(&site, count).await;
    }
    books.shut_down(std::time::Duration::ZERO).await;
    store.close().await;
}
