//! Who changed what: a row in the transaction of the change itself, so that neither is ever without the other.

use sqlx::FromRow;

use super::{
    Store, StoreError, Trouble,
    dialect::uint,
    statement::{self, Conn},
};
use crate::catalog::{AuditEntry, AuditFilter, Page, PageAsk, PageToken, UnixMillis};

/// Rows that are kept: the oldest ones go.
const KEPT: i64 = 200_000;
/// Characters of a subject, a detail or one field at most.
const MAX_CHARS: usize = 1000;

/// One change, beside who made it and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change<'a> {
    /// As the Admin method is called, in snake case.
    pub(super) action: &'static str,
    /// An id, or the name of what there is once.
    pub(super) subject: &'a str,
    /// In words, where there is something to say.
    pub(super) detail: &'a str,
    /// The fields that were changed, before: a JSON object, or empty.
    pub(super) was: &'a str,
    /// And after.
    pub(super) became: &'a str,
}

/// Notes a change by whom the connection works for.
pub(super) async fn change(conn: &mut Conn, now: UnixMillis, change: Change<'_>) -> Result<(), Trouble> {
    const SQL: &str = "INSERT INTO audit (at, actor, action, subject, detail, was, became)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let actor = conn.by().as_str().to_owned();
    let insert = statement::query_scalar::<i64>(SQL).bind(now.0).bind(actor).bind(change.action);
    let insert = insert.bind(short(change.subject)).bind(short(change.detail)).bind(change.was).bind(change.became);
    let id = insert.fetch_one(&mut *conn).await?;
    statement::query(TRIM).bind(id.saturating_sub(KEPT)).execute(conn).await?;
    Ok(())
}

const TRIM: &str = "DELETE FROM audit WHERE id <= $1";

/// As much of a text as a row keeps.
fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The same for what is in a field.
fn shorten(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = short(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(shorten),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// Notes a change of which there is no field to show.
pub(super) async fn note(
    conn: &mut Conn,
    now: UnixMillis,
    action: &'static str,
    subject: &str,
    detail: &str,
) -> Result<(), Trouble> {
    change(conn, now, Change { action, subject, detail, ..Change::default() }).await
}

/// What differs between two objects of the same fields: before and after, as JSON. Where one is missing, all of the
/// other.
pub(super) fn difference<T: serde::Serialize>(was: Option<&T>, became: Option<&T>) -> (String, String) {
    let fields = |value: Option<&T>| match value.map(serde_json::to_value) {
        Some(Ok(serde_json::Value::Object(fields))) => fields,
        _ => serde_json::Map::new(),
    };
    let (mut before, mut after) = (fields(was), fields(became));
    let same: Vec<String> =
        before.iter().filter(|(name, value)| after.get(*name) == Some(*value)).map(|(name, _)| name.clone()).collect();
    for name in same {
        before.remove(&name);
        after.remove(&name);
    }
    let shown = |mut fields: serde_json::Map<_, _>| {
        fields.values_mut().for_each(shorten);
        if fields.is_empty() { String::new() } else { serde_json::Value::Object(fields).to_string() }
    };
    (shown(before), shown(after))
}

impl Store {
    /// A page of the audit, newest first. Its total is 0: it is not counted.
    ///
    /// # Errors
    /// A page token of another list.
    pub async fn list_audit(&self, filter: AuditFilter, ask: PageAsk) -> Result<Page<AuditEntry>, StoreError> {
        let list = format!("audit {filter:?}");
        let start = PageToken::start(&list, &ask.token)?;
        let limit = i64::from(ask.limit());
        self.read("list the audit", async |mut conn| {
            let mut sql = statement::query_as(
                "SELECT id, at, actor, action, subject, detail, was, became FROM audit WHERE id < ",
            );
            sql.push_bind(start);
            for (column, value) in [
                (" AND actor = ", &filter.actor),
                (" AND action = ", &filter.action),
                (" AND subject = ", &filter.subject),
            ] {
                if !value.is_empty() {
                    sql.push(column).push_bind(value);
                }
            }
            if let Some(from) = filter.from {
                sql.push(" AND at >= ").push_bind(from.0);
            }
            if let Some(until) = filter.until {
                sql.push(" AND at < ").push_bind(until.0);
            }
            sql.push(" ORDER BY id DESC LIMIT ").push_bind(limit + 1);
            let mut rows: Vec<AuditRow> = sql.fetch_all(&mut conn).await?;
            let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
            if more {
                rows.pop();
            }
            let last = rows.last().filter(|_| more).map(|row| PageToken::after(&list, row.id).to_string());
            let items = rows.into_iter().map(AuditEntry::from).collect();
            Ok(Page { items, next_page_token: last.unwrap_or_default(), total: 0 })
        })
        .await
    }
}

#[derive(FromRow)]
struct AuditRow {
    id: i64,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    was: String,
    became: String,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: uint(row.id),
            at: UnixMillis(row.at),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            detail: row.detail,
            was: row.was,
            became: row.became,
        }
    }
}

/// `1 image`, `12 images`.
pub(super) fn images(count: u64) -> String {
    if count == 1 { "1 image".to_owned() } else { format!("{count} images") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_what_differs_is_kept() {
        let pool = |priority, name| BTreeMap::from([("priority", priority), ("name", name)]);
        let (old, new) = (pool("1", "img1"), pool("5", "img1"));
        let shown = |was: &str, became: &str| (was.to_owned(), became.to_owned());
        assert_eq!(difference(Some(&old), Some(&new)), shown(r#"{"priority":"1"}"#, r#"{"priority":"5"}"#));
        assert_eq!(difference(Some(&old), Some(&old)), shown("", ""));
        assert_eq!(difference(None, Some(&old)), shown("", r#"{"name":"img1","priority":"1"}"#));
        let (_, long) = difference(Some(&old), Some(&pool("1", &"ä".repeat(100_000))));
        let long: BTreeMap<String, String> = serde_json::from_str(&long).unwrap();
        assert_eq!(long["name"].chars().count(), MAX_CHARS + 1, "cut, and JSON still");
        assert_eq!(short("short"), "short");
    }
}
