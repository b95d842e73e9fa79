//! Rows as they stand in the database, and their way to domain values.

use serde::Deserialize;
use sqlx::FromRow;

use super::{
    Trouble,
    dialect::{checked, job_id, pool_id, small, some_job, some_pool, uint, word},
    gather::{self, Gathered},
    statement::{self, Conn, Flag},
};
use crate::catalog::{
    Bucket, Job, JobKind, JobState, Pool, PoolUsage, ReplicaState, StorageTier, StorageType, UnixMillis,
};

// Columns are named wherever rows are read whole: a newer server may add some while this one runs, and a statement that
// was prepared before may not give other columns than then.
macro_rules! pool_columns {
    () => {
        "id, name, node_id, base_path, identity, upload_api_url, public_base_url, max_size, is_active, is_default, priority,
        storage_type, storage_tier, description, legacy_pool_id, legacy_node, initialize, revision, created, used_bytes,
        used_files, reserved_bytes, trash_bytes, trash_files, images"
    };
}
macro_rules! job_columns {
    () => {
        "j.id, j.kind, j.state, j.parent_id, j.node_id, j.image_uuid, j.source_pool_id, j.target_pool_id, j.attempt,
        j.failures, j.epoch, j.not_before, j.committed, j.bytes_done, j.bytes_total, j.files_missing, j.children_done,
        j.children_failed, j.children_cancelled, j.children_unmoved, j.children_total, j.left_behind, j.note, j.last_error, j.created,
        j.started, j.finished"
    };
}
pub(super) use job_columns;

/// The columns of a pool that count.
#[derive(FromRow)]
pub(super) struct PoolRow {
    id: i64,
    name: String,
    node_id: String,
    base_path: String,
    identity: String,
    upload_api_url: String,
    public_base_url: String,
    max_size: i64,
    is_active: Flag,
    is_default: Flag,
    priority: i64,
    storage_type: String,
    storage_tier: String,
    description: String,
    legacy_pool_id: i64,
    legacy_node: Flag,
    initialize: Flag,
    revision: i64,
    created: i64,
    used_bytes: i64,
    used_files: i64,
    reserved_bytes: i64,
    trash_bytes: i64,
    trash_files: i64,
    images: i64,
}

impl TryFrom<PoolRow> for Pool {
    type Error = Trouble;

    fn try_from(row: PoolRow) -> Result<Self, Trouble> {
        let storage_type = match row.storage_type.as_str() {
            "local" => Some(StorageType::Local),
            "nfs" => Some(StorageType::Nfs),
            _ => None,
        };
        Ok(Self {
            id: pool_id(row.id)?,
            node: checked(row.node_id.parse(), "pools.node_id")?,
            storage_type: word(storage_type, "pools.storage_type", &row.storage_type)?,
            storage_tier: word(StorageTier::parse(&row.storage_tier), "pools.storage_tier", &row.storage_tier)?,
            priority: checked(i32::try_from(row.priority), "pools.priority")?,
            usage: PoolUsage {
                used_bytes: uint(row.used_bytes),
                used_files: uint(row.used_files),
                reserved_bytes: uint(row.reserved_bytes),
                trash_bytes: uint(row.trash_bytes),
                trash_files: uint(row.trash_files),
                images: uint(row.images),
            },
            name: row.name,
            base_path: row.base_path,
            identity: row.identity,
            upload_api_url: row.upload_api_url,
            public_base_url: row.public_base_url,
            max_size: uint(row.max_size),
            is_active: row.is_active.0,
            is_default: row.is_default.0,
            description: row.description,
            legacy_pool_id: uint(row.legacy_pool_id),
            legacy_node: row.legacy_node.0,
            initialize: row.initialize.0,
            revision: uint(row.revision),
            created: UnixMillis(row.created),
        })
    }
}

/// Every pool, by id.
pub(super) async fn all_pools(conn: &mut Conn) -> Result<Vec<Pool>, Trouble> {
    let rows: Vec<PoolRow> =
        statement::query_as(concat!("SELECT ", pool_columns!(), " FROM pools ORDER BY id")).fetch_all(conn).await?;
    rows.into_iter().map(Pool::try_from).collect()
}

/// One pool.
pub(super) async fn one_pool(conn: &mut Conn, id: i64) -> Result<Option<Pool>, Trouble> {
    const SQL: &str = concat!("SELECT ", pool_columns!(), " FROM pools WHERE id = $1");
    let row: Option<PoolRow> = statement::query_as(SQL).bind(id).fetch_optional(conn).await?;
    row.map(Pool::try_from).transpose()
}

/// The columns of a job that lists show.
#[derive(FromRow)]
pub(super) struct JobRow {
    pub(super) id: i64,
    kind: String,
    state: String,
    parent_id: Option<i64>,
    node_id: String,
    image_uuid: Option<String>,
    source_pool_id: i64,
    target_pool_id: i64,
    attempt: i64,
    failures: i64,
    epoch: i64,
    not_before: i64,
    committed: Flag,
    bytes_done: i64,
    bytes_total: i64,
    files_missing: i64,
    children_done: i64,
    children_failed: i64,
    children_cancelled: i64,
    children_unmoved: i64,
    children_total: i64,
    left_behind: i64,
    note: String,
    last_error: String,
    created: i64,
    started: Option<i64>,
    finished: Option<i64>,
}

impl TryFrom<JobRow> for Job {
    type Error = Trouble;

    fn try_from(row: JobRow) -> Result<Self, Trouble> {
        let node = match row.node_id.as_str() {
            "" => None,
            node => Some(checked(node.parse(), "jobs.node_id")?),
        };
        let image = row.image_uuid.map(|uuid| checked(uuid.parse(), "jobs.image_uuid")).transpose()?;
        Ok(Self {
            id: job_id(row.id)?,
            parent: some_job(row.parent_id),
            kind: word(JobKind::parse(&row.kind), "jobs.kind", &row.kind)?,
            state: word(JobState::parse(&row.state), "jobs.state", &row.state)?,
            node,
            source: some_pool(row.source_pool_id),
            target: some_pool(row.target_pool_id),
            image,
            attempt: small(row.attempt),
            failures: small(row.failures),
            epoch: (row.epoch > 0).then(|| pixelfox_proto::SessionEpoch(uint(row.epoch))),
            committed: row.committed.0,
            bytes_done: uint(row.bytes_done),
            bytes_total: uint(row.bytes_total),
            files_missing: uint(row.files_missing),
            children_done: uint(row.children_done),
            children_failed: uint(row.children_failed),
            children_cancelled: uint(row.children_cancelled),
            children_unmoved: uint(row.children_unmoved),
            children_total: uint(row.children_total),
            left_behind: uint(row.left_behind),
            note: row.note,
            last_error: row.last_error,
            created: UnixMillis(row.created),
            started: row.started.map(UnixMillis),
            finished: row.finished.map(UnixMillis),
            not_before: (row.not_before > 0).then_some(UnixMillis(row.not_before)),
        })
    }
}

/// A file of a job's image with its copies in the job's two pools.
#[derive(Deserialize, FromRow)]
pub(super) struct MoveFileRow {
    pub(super) job: i64,
    pub(super) file: i64,
    pub(super) stored_path: String,
    pub(super) kind: String,
    pub(super) content_type: String,
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) size: i64,
    #[serde(deserialize_with = "gather::bytes")]
    pub(super) sha256: Vec<u8>,
    /// The file's highest so far.
    pub(super) generation: i64,
    pub(super) source_state: Option<String>,
    pub(super) source_generation: Option<i64>,
    pub(super) target_state: Option<String>,
    pub(super) target_generation: Option<i64>,
    pub(super) target_trash: Option<i64>,
    pub(super) target_job: Option<i64>,
}

impl Gathered for MoveFileRow {
    const COLUMNS: &'static str =
        "job, file, stored_path, kind, content_type, width, height, size, hex(sha256), generation,
        source_state, source_generation, target_state, target_generation, target_trash, target_job";
}

pub(super) const MOVE_FILES: &str = "
SELECT j.id AS job, f.id AS file, f.stored_path, f.kind, f.content_type, f.width, f.height, f.size, f.sha256,
    f.generation, s.state AS source_state, s.generation AS source_generation,
    t.state AS target_state, t.generation AS target_generation, t.trash_generation AS target_trash,
    t.job_id AS target_job
FROM json_each($1) AS a
    CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT)
    CROSS JOIN files f ON f.image_id = j.image_id
    LEFT JOIN replicas s ON s.file_id = f.id AND s.pool_id = j.source_pool_id
    LEFT JOIN replicas t ON t.file_id = f.id AND t.pool_id = j.target_pool_id
ORDER BY j.id, f.kind <> 'original', f.id";

/// All files of these jobs' images, job by job, originals first.
pub(super) async fn move_files(conn: &mut Conn, jobs: &[i64]) -> Result<Vec<MoveFileRow>, Trouble> {
    Ok(statement::query_as(MOVE_FILES).bind(super::dialect::json(&jobs)).gather(conn).await?)
}

/// A state in a column; `None` where there is no copy.
pub(super) fn state(column: Option<&str>) -> Result<Option<ReplicaState>, Trouble> {
    column.map(|value| word(ReplicaState::parse(value), "replicas.state", value)).transpose()
}

/// Where a copy counts that may not be there.
pub(super) fn bucket(state: Option<ReplicaState>, from_trash: bool) -> Bucket {
    state.map_or(Bucket::None, |state| state.bucket(from_trash))
}
