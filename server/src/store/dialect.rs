//! How values pass between Rust and the database: 64-bit numbers without a sign, ids, and batches as one JSON text that
//! a statement unfolds. What another database would want differently belongs here.

use std::borrow::Cow;

use pixelfox_proto::{JobId, PoolId, Sha256};
use serde::Serialize;

use super::Trouble;

/// A statement's text as PostgreSQL wants it: what is written for SQLite is taken by both but for the unfolding of a
/// batch, `instr`, and `CROSS JOIN … ON`, by which SQLite is told the order of a join. A column of a batch is text
/// (`a.value ->> 0`); a number is `CAST(a.value ->> 0 AS BIGINT)`, for both.
pub(super) fn postgres(text: &str) -> String {
    let mut unfolded = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("json_each(") {
        unfolded.push_str(before);
        let (value, after) = after.split_once(')').unwrap_or((after, ""));
        unfolded.push_str("jsonb_array_elements(");
        unfolded.push_str(value);
        unfolded.push_str("::jsonb)");
        rest = after;
    }
    unfolded.push_str(rest);
    unfolded.replace("CROSS JOIN", "JOIN").replace("instr(", "strpos(")
}

/// Which database a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Sqlite,
    Postgres,
}

/// A text in which `\u{1}…\u{2}…\u{3}` holds what is for one database and for the other.
pub(super) fn chosen(text: &str, choice: Choice) -> Cow<'_, str> {
    if !text.contains('\u{1}') {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    for part in text.split('\u{1}') {
        let (either, after) = part.split_once('\u{3}').unwrap_or(("\u{2}", part));
        let (sqlite, postgres) = either.split_once('\u{2}').unwrap_or((either, either));
        whole.push_str(if choice == Choice::Sqlite { sqlite } else { postgres });
        whole.push_str(after);
    }
    Cow::Owned(whole)
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

#[cfg(test)]
mod tests {
    use super::{Choice, chosen};

    #[test]
    fn each_database_gets_its_part_of_a_text() {
        let text = "a \u{1}b\u{2}c\u{3} d \u{1}\u{2}e\u{3}";
        assert_eq!((chosen(text, Choice::Sqlite), chosen(text, Choice::Postgres)), ("a b d ".into(), "a c d e".into()));
        assert_eq!(chosen("plain", Choice::Sqlite), "plain");
    }

    #[test]
    fn a_text_for_both_databases_is_turned_into_the_other_ones() {
        for (given, want) in [
            ("SELECT 1", "SELECT 1"),
            (
                "FROM json_each($1) AS a CROSS JOIN jobs j ON j.id = CAST(a.value AS BIGINT), json_each($12) AS b",
                "FROM jsonb_array_elements($1::jsonb) AS a JOIN jobs j ON j.id = CAST(a.value AS BIGINT), \
                 jsonb_array_elements($12::jsonb) AS b",
            ),
        ] {
            assert_eq!(super::postgres(given), want);
        }
    }
}
