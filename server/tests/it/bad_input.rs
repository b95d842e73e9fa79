//! What nobody can mean, asked over the wire: one error each that names the field and what is wrong, and nothing is half
//! done.

use std::path::Path;

use pixelfox_proto::v1;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tonic::{Code, Status};

use crate::dispatch::{pools, two_nodes};
use crate::office::{FakeNode, Office, Upload, admins};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Asks each of these; every answer is an error of this code with these words.
macro_rules! refused {
    ($office:expr, $($method:ident($ask:expr) => $code:ident, $words:expr;)+) => {
        let mut client = $office.admin().await;
        $({
            let refused: Status = client.$method(admins($ask)).await.map(drop).expect_err(stringify!($method));
            assert_eq!(refused.code(), Code::$code, concat!(stringify!($method), ": {}"), refused);
            let words: &str = &$words;
            assert!(refused.message().contains(words), concat!(stringify!($method), ": {} instead of {}"), refused, words);
        })+
    };
}

/// Everything that a person can change.
const TABLES: [&str; 15] = [
    "images",
    "files",
    "replicas",
    "jobs",
    "pools",
    "settings",
    "audit",
    "requests",
    "left_out",
    "left_out_ranges",
    "deleted_images",
    "retired_pools",
    "nodes_with_pools",
    "api_keys",
    "accounts",
];

/// Each row of these tables, with every value.
async fn books(office: &Office) -> Vec<String> {
    books_in(office.dir.path()).await
}

/// Those of a server with its database in this folder.
pub(crate) async fn books_in(folder: &Path) -> Vec<String> {
    let url = format!("sqlite://{}", folder.join("pixelfox.db").display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let mut rows = Vec::new();
    for table in TABLES {
        let columns =
            format!("SELECT group_concat('quote(' || name || ')', '||'',''||') FROM pragma_table_info('{table}')");
        let columns: String = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_one(&mut conn).await.unwrap();
        let all = format!("SELECT '{table} ' || {columns} FROM {table}");
        rows.extend(sqlx::query_scalar::<_, String>(AssertSqlSafe(all)).fetch_all(&mut conn).await.unwrap());
    }
    rows.sort();
    rows
}

/// What is written of itself when nodes come is written.
async fn two_nodes_at_rest() -> (Office, FakeNode, FakeNode, Upload) {
    let (office, mut s01, mut s02, upload) = two_nodes().await;
    for node in [&mut s01, &mut s02] {
        node.welcome_where(|welcome| !welcome.pools[0].initialize).await;
    }
    (office, s01, s02, upload)
}

/// The books are as they were.
async fn assert_nothing_happened(office: &Office, before: &[String]) {
    let now = books(office).await;
    let differs: Vec<_> = now.iter().filter(|row| !before.contains(row)).collect();
    assert!(now == before, "{differs:#?}");
    assert!(now.len() > 5, "an image, two pools, what was done to them: {now:?}");
}

#[tokio::test]
async fn ids_that_are_unknown_are_named() {
    // UUIDs of no image, ids of no pool and of no job, in every request that has some.
    let (office, s01, s02, upload) = two_nodes_at_rest().await;
    let uuids = || vec![NOBODY.to_owned()];
    let some = |ids: Vec<u64>| v1::ChangeJobsRequest { ids, ..Default::default() };
    let pool_move =
        |source_pool_id, target_pool_id| v1::MovePoolRequest { source_pool_id, target_pool_id, ..Default::default() };
    let to = |uuids, target_pool_id| v1::MoveImagesRequest { uuids, target_pool_id, ..Default::default() };
    let no_image = format!("uuids: no image {NOBODY}");
    let before = books(&office).await;
    refused! { office,
        move_images(to(uuids(), s02.pool())) => NotFound, no_image;
        move_images(to(vec!["12".into()], s02.pool())) => InvalidArgument, "`12` is no image UUID";
        move_images(to(vec![upload.uuid.clone()], 99)) => NotFound, "target_pool_id: no pool 99 in this cluster";
        move_images(to(vec![upload.uuid.clone()], 0)) => InvalidArgument, "target_pool_id";
        move_pool(pool_move(99, s02.pool())) => NotFound, "source_pool_id: no pool 99 in this cluster";
        move_pool(pool_move(s01.pool(), 99)) => NotFound, "target_pool_id: no pool 99 in this cluster";
        delete_images(v1::DeleteImagesRequest { uuids: vec![upload.uuid.clone(), NOBODY.into()], ..Default::default() })
            => NotFound, no_image;
        verify_images(v1::VerifyImagesRequest { uuids: uuids(), pool_id: 0 }) => NotFound, no_image;
        verify_images(v1::VerifyImagesRequest { uuids: vec![], pool_id: 99 }) => NotFound, "no pool 99 in this cluster";
        get_image(v1::GetImageRequest { uuid: NOBODY.into() }) => NotFound, format!("no image {NOBODY}");
        get_job(v1::GetJobRequest { id: 99 }) => NotFound, "no job 99";
        get_pool(v1::GetPoolRequest { id: 99 }) => NotFound, "no pool 99 in this cluster";
        delete_pool(v1::DeletePoolRequest { id: 99 }) => NotFound, "no pool 99 in this cluster";
        check_pool(v1::CheckPoolRequest { id: 99 }) => NotFound, "no pool 99 in this cluster";
        recalculate_usage(v1::RecalculateUsageRequest { pool_id: 99 }) => NotFound, "no pool 99 in this cluster";
        undo_moves(some(vec![99])) => NotFound, "ids: no job 99";
        pause_jobs(some(vec![99])) => NotFound, "ids: no job 99";
        resume_jobs(some(vec![99])) => NotFound, "ids: no job 99";
        cancel_jobs(some(vec![99])) => NotFound, "ids: no job 99";
        retry_jobs(some((90..110).collect())) => NotFound, "ids: no job 90, 91, 92, 93, 94, 95, 96, 97, 98, 99 and 10 more";
    }
    assert_nothing_happened(&office, &before).await;
    office.close().await;
}

#[tokio::test]
async fn a_target_that_cannot_be_is_refused_and_one_that_is_away_is_not() {
    // The source itself; a pool that is not active. One whose node is away is taken: its jobs wait, and say for what.
    let (office, s01, s02, upload) = two_nodes_at_rest().await;
    let (here, there) = (s01.pool(), s02.pool());
    let pool_move = |target_pool_id| v1::MovePoolRequest { source_pool_id: here, target_pool_id, ..Default::default() };
    let one = |target_pool_id| v1::MoveImagesRequest {
        uuids: vec![upload.uuid.clone()],
        target_pool_id,
        ..Default::default()
    };
    let name = pools(&office).await.into_iter().find(|pool| pool.id == there).unwrap().name;
    let pool = Some(v1::Pool { id: there, is_active: false, ..v1::Pool::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["is_active".into()] });
    let ask = v1::UpdatePoolRequest { pool, update_mask, ..Default::default() };
    office.admin().await.update_pool(admins(ask)).await.unwrap();
    let before = books(&office).await;
    let not_active = format!("target_pool_id: pool {name} ({there}) is not active; activate it or choose another");
    refused! { office,
        move_pool(pool_move(here)) => InvalidArgument, "is the source itself; choose another";
        move_pool(pool_move(there)) => FailedPrecondition, not_active;
        move_pool(v1::MovePoolRequest { dry_run: true, ..pool_move(there) }) => FailedPrecondition, not_active;
        move_images(one(there)) => FailedPrecondition, not_active;
    }
    assert_nothing_happened(&office, &before).await;
    let nowhere = office.admin().await.move_images(admins(one(here))).await.unwrap().into_inner();
    assert_eq!((nowhere.images, nowhere.skipped_total), (0, 1));
    assert!(nowhere.skipped[0].contains("already"), "{nowhere:?}");

    let pool = Some(v1::Pool { id: there, is_active: true, ..v1::Pool::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["is_active".into()] });
    let ask = v1::UpdatePoolRequest { pool, update_mask, ..Default::default() };
    office.admin().await.update_pool(admins(ask)).await.unwrap();
    let mut watcher = office.books.watch();
    drop(s02);
    let batch = office.admin().await.move_images(admins(one(there))).await.unwrap().into_inner();
    let child = office.only_child(&batch).await.id;
    office.job_where(&mut watcher, child, |job| job.waiting_for == "node s02 is not attached").await;
    office.close().await;
}

#[tokio::test]
async fn more_than_a_request_may_have_is_refused_as_a_whole() {
    // 10,001 UUIDs or ids; one that is known is among them.
    let (office, _s01, s02, upload) = two_nodes_at_rest().await;
    let before = books(&office).await;
    let uuids = vec![upload.uuid.clone(); 10_001];
    let many = (0..10_001).map(|number| format!("{number:08}-0000-4000-8000-000000000000")).collect();
    let jobs = v1::ChangeJobsRequest { ids: (1..10_002).collect(), ..Default::default() };
    let target_pool_id = s02.pool();
    refused! { office,
        move_images(v1::MoveImagesRequest { uuids: uuids.clone(), target_pool_id, ..Default::default() })
            => InvalidArgument, "uuids: 10001 images in one request, at most 10000";
        delete_images(v1::DeleteImagesRequest { uuids: uuids.clone(), ..Default::default() })
            => InvalidArgument, "uuids: 10001 images in one request, at most 10000 go; send several";
        undo_moves(jobs) => InvalidArgument, "ids: 10001 jobs in one request, at most 10000";
        verify_images(v1::VerifyImagesRequest { uuids: many, pool_id: 0 })
            => InvalidArgument, "uuids: 10001 images in one request, at most 10000 go; send several";
    }
    assert_nothing_happened(&office, &before).await;
    office.close().await;
}

#[tokio::test]
async fn a_page_token_of_another_list_is_refused() {
    // Tokens of the images' and the audit's first page, each at the other lists, at its own with another filter, and one
    // that is nobody's.
    let (office, s01, _s02, _upload) = two_nodes_at_rest().await;
    office.upload(&s01, 2).await;
    let mut client = office.admin().await;
    let images =
        |page_token, pool_id| v1::ListImagesRequest { page_size: 1, page_token, pool_id, ..Default::default() };
    let audit = |page_token, action| v1::ListAuditRequest { page_size: 1, page_token, action, ..Default::default() };
    let jobs = |page_token| v1::ListJobsRequest { page_token, ..Default::default() };
    for hours in [7, 8] {
        let settings = Some(v1::Settings { trash_hours: Some(hours), ..Default::default() });
        client.update_settings(admins(v1::UpdateSettingsRequest { settings })).await.unwrap();
    }
    let of_images = client.list_images(admins(images(String::new(), 0))).await.unwrap().into_inner().next_page_token;
    let before = books(&office).await;
    let of_audit =
        client.list_audit(admins(audit(String::new(), String::new()))).await.unwrap().into_inner().next_page_token;
    assert!(!of_images.is_empty() && !of_audit.is_empty());
    let other = "page_token: it belongs to another list or filter; leave it empty for the first page";
    let not_here = "; leave it empty for the first page";
    let none = "page_token: not one of ours; leave it empty for the first page";
    refused! { office,
        list_jobs(jobs(of_images.clone())) => InvalidArgument, not_here;
        list_jobs(jobs(of_audit.clone())) => InvalidArgument, not_here;
        list_audit(audit(of_images.clone(), String::new())) => InvalidArgument, not_here;
        list_images(images(of_audit.clone(), 0)) => InvalidArgument, not_here;
        list_images(images(of_images.clone(), s01.pool())) => InvalidArgument, other;
        list_audit(audit(of_audit.clone(), "update_pool".into())) => InvalidArgument, other;
        list_images(images("no token".into(), 0)) => InvalidArgument, none;
        list_jobs(jobs("no token".into())) => InvalidArgument, none;
        list_audit(audit("no token".into(), String::new())) => InvalidArgument, none;
    }
    assert_nothing_happened(&office, &before).await;
    office.close().await;
}
