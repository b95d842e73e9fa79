//! Jobs that no server can carry out, because some of their files come back from the target's trash, some are pushed, and
//! the two nodes are attached to different servers. The server that has the target's node makes way: what the trash has
//! goes, and then the other one pushes everything.

use pixelfox_proto::PoolId;

use super::{
    Trouble,
    dialect::{int, json},
    endings, lease, outbox,
    rows::MoveFileRow,
    statement::{self, Conn},
    tally::Tally,
};
use crate::catalog::UnixMillis;

/// Seconds until a job is looked at again whose copy in the trash may not go yet, because the one at the source has not
/// been checked.
const UNCHECKED_WAIT_SECONDS: u32 = 60;

/// Such a job, with those of its files that are to be at the target.
pub(super) struct Split<'a> {
    pub(super) job: i64,
    pub(super) files: Vec<&'a MoveFileRow>,
}

/// A trashed copy goes for good only while the live one is known to be right. A file of the same image with the same bytes
/// proves as much as the file itself.
pub(super) const GIVE_UP: &str = "
UPDATE replicas SET state = 'purging', since = $2, ordered_epoch = 0, not_before = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)
    AND replicas.state = 'trashed'
    AND (SELECT 1 FROM files f JOIN files s ON s.image_id = f.image_id AND s.sha256 = f.sha256
            JOIN replicas l ON l.file_id = s.id
        WHERE f.id = replicas.file_id AND l.state = 'live' AND l.verified > 0 LIMIT 1) IS NOT NULL
RETURNING replicas.file_id";

/// What an earlier attempt has begun at the target is given up, and lies in the trash again with the node's word. What lies
/// there is noted as `purging`. Comes back with whether there is anything to tell the node.
pub(super) async fn make_way(
    conn: &mut Conn,
    target: PoolId,
    jobs: &[Split<'_>],
    tally: &mut Tally,
    now: UnixMillis,
) -> Result<bool, Trouble> {
    if jobs.is_empty() {
        return Ok(false);
    }
    let is = |file: &&&MoveFileRow, state| file.target_state.as_deref() == Some(state);
    let has_begun = |job: &&Split<'_>| job.files.iter().any(|file| is(&file, "writing"));
    let (begun, settled): (Vec<&Split<'_>>, Vec<&Split<'_>>) = jobs.iter().partition(has_begun);
    let begun: Vec<i64> = begun.iter().map(|job| job.job).collect();
    endings::condemn_writing(conn, &begun, tally, now).await?;
    let trashed = settled.iter().flat_map(|job| job.files.iter().filter(|file| is(file, "trashed")));
    let keys: Vec<_> = trashed.map(|file| (file.file, int(target.get()))).collect();
    let purging: Vec<i64> =
        statement::query_scalar(GIVE_UP).bind(json(&keys)).bind(now.0).fetch_all(&mut *conn).await?;
    let goes_on = |job: &&Split<'_>| job.files.iter().any(|file| purging.contains(&file.file));
    let (freed, unchecked): (Vec<&Split<'_>>, Vec<&Split<'_>>) = settled.into_iter().partition(goes_on);
    let soon: Vec<i64> = freed.iter().map(|job| job.job).chain(begun).collect();
    let later: Vec<i64> = unchecked.iter().map(|job| job.job).collect();
    lease::put_off(conn, &soon, now.plus_seconds(lease::UNSETTLED_WAIT_SECONDS)).await?;
    lease::put_off(conn, &later, now.plus_seconds(UNCHECKED_WAIT_SECONDS)).await?;
    let all: Vec<i64> = jobs.iter().map(|job| job.job).collect();
    outbox::put_jobs(conn, now, &all).await?;
    Ok(!soon.is_empty())
}
