//! What was answered to a client's request id: the same one again does nothing new and answers the same.

use super::{
    Trouble,
    dialect::{checked, json},
    statement::{self, Conn},
};
use crate::catalog::{Refusal, UnixMillis};
use pixelfox_proto::text;

pub(super) const EARLIER: &str = "SELECT asked, answer FROM requests WHERE request_id = $1";
/// How long a client's request id is remembered: a week.
const KEPT_MILLIS: i64 = 7 * 24 * 3600 * 1000;
const FORGET: &str = "DELETE FROM requests WHERE at < $1";
const REMEMBER: &str = "
INSERT INTO requests (request_id, asked, answer, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (request_id) DO UPDATE SET answer = excluded.answer, at = excluded.at";

/// What was answered to this request before; `asked` is what it asks for, in words of ours. Nothing without an id.
///
/// # Errors
/// The id was used for something else.
pub(super) async fn earlier<T: serde::de::DeserializeOwned>(
    conn: &mut Conn,
    request_id: &str,
    asked: &str,
) -> Result<Option<T>, Trouble> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let earlier: Option<(String, String)> =
        statement::query_as(EARLIER).bind(request_id).fetch_optional(&mut *conn).await?;
    match earlier {
        Some((before, answer)) if before == asked => {
            checked(serde_json::from_str(&answer), "requests.answer").map(Some)
        }
        Some(_) => Err(Refusal::invalid(text!(
            de "request_id: {request_id} wurde für eine andere Anfrage benutzt",
            en "request_id: {request_id} was used for another request"
        ))
        .into()),
        None => Ok(None),
    }
}

/// Notes an answer, in place of an earlier one to the same request. Nothing without an id.
pub(super) async fn remember<T: serde::Serialize>(
    conn: &mut Conn,
    request_id: &str,
    asked: &str,
    answer: &T,
    now: UnixMillis,
) -> Result<(), Trouble> {
    if request_id.is_empty() {
        return Ok(());
    }
    let old = now.0.saturating_sub(KEPT_MILLIS);
    statement::query(FORGET).bind(old).execute(&mut *conn).await?;
    let query = statement::query(REMEMBER).bind(request_id).bind(asked).bind(json(answer)).bind(now.0);
    query.execute(conn).await?;
    Ok(())
}
