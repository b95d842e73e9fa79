//! How values pass between Rust and the database: 64-bit numbers without a sign, ids, and batches as one JSON text that
//! a statement unfolds. What another database would want differently belongs here.

use std::borrow::Cow;

use pixelfox_proto::{JobId, PoolId, Sha256};
use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::Trouble;

/// A statement's text as PostgreSQL wants it: what is written for SQLite is taken by both but for the unfolding of a
/// batch. A column of a batch is text (`a.value ->> 0`); a number is `CAST(a.value ->> 0 AS BIGINT)`, for both.
pub(super) fn postgres(text: Cow<'static, str>) -> AssertSqlSafe<Cow<'static, str>> {
    AssertSqlSafe(if text.contains("json_each($1)") {
        Cow::Owned(text.replace("json_each($1)", "jsonb_array_elements($1::jsonb)"))
    } else {
        text
    })
}

/// A count or size as the database has it. What does not fit becomes the largest.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// And back. What the database has below 0 is 0.
pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number that fits 32 bits.
pub(super) fn small(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
}

/// A batch as one bind value: `json_each($1)` unfolds it, `value ->> 0` is a column.
pub(super) fn json(rows: &impl Serialize) -> String {
    serde_json::to_string(rows).expect("rows of numbers and words are JSON")
}

/// A word of ours in a column.
pub(super) fn word<T>(parsed: Option<T>, column: &str, value: &str) -> Result<T, Trouble> {
    parsed.ok_or_else(|| Trouble::Garbled(format!("{column} `{value}`")))
}

/// An id or path in a column.
pub(super) fn checked<T, E: std::fmt::Display>(parsed: Result<T, E>, column: &str) -> Result<T, Trouble> {
    parsed.map_err(|error| Trouble::Garbled(format!("{column}: {error}")))
}

pub(super) fn pool_id(value: i64) -> Result<PoolId, Trouble> {
    checked(PoolId::try_from(uint(value)), "a pool id")
}

pub(super) fn job_id(value: i64) -> Result<JobId, Trouble> {
    checked(JobId::try_from(uint(value)), "a job id")
}

/// 0 stands for none.
pub(super) fn some_pool(value: i64) -> Option<PoolId> {
    PoolId::try_from(uint(value)).ok()
}

pub(super) fn some_job(value: Option<i64>) -> Option<JobId> {
    value.and_then(|value| JobId::try_from(uint(value)).ok())
}

pub(super) fn sha256(bytes: &[u8]) -> Result<Sha256, Trouble> {
    checked(Sha256::try_from(bytes), "a digest")
}
