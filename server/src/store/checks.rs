//! Copies whose bytes are to be read: asked for, due, and what their nodes found.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pixelfox_proto::{Generation, ImageId, NodeId, PoolId, StoredPath, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble, audit,
    dialect::{checked, int, json, pool_id, sha256, small, uint, word},
    endings::CONDEMN,
    outbox,
    pools::existing,
    statement::{self, Conn},
    tally::Tally,
};
use crate::catalog::{
    Bucket, CheckAsk, CheckOrder, CheckOutcome, CheckResult, CheckView, Checked, Refusal, ReplicaState, UnixMillis,
};
use crate::moves::{AfterCheck, Whereabouts, after_check};

impl Store {
    /// Notes that a person wants copies to be read, at once and first. Gives how many, by pool.
    ///
    /// # Errors
    /// No image or too many, an image or a pool that is unknown. Nothing is written then.
    pub async fn ask_checks(&self, ask: CheckAsk, now: UnixMillis) -> Result<BTreeMap<PoolId, u64>, StoreError> {
        // Found beside the writer: it may mean a look at a whole trash.
        let doubted: Vec<(i64, i64)> = match &ask {
            CheckAsk::Images(_) => Vec::new(),
            CheckAsk::Doubted(pool) => {
                let (pool, most) = (int(pool.get()), i64::try_from(CheckAsk::MAX_COPIES).unwrap_or(i64::MAX));
                self.read("look for copies in doubt", async |mut conn| {
                    Ok(statement::query_as(DOUBTED).bind(pool).bind(most).fetch_all(&mut conn).await?)
                })
                .await?
            }
        };
        self.write("note which copies are to be read", move |conn| {
            Box::pin(async move { ask_for(conn, &ask, doubted, now).await })
        })
        .await
    }

    /// Has the copy of a path that is in a pool of this node read, first of all. Whether that is news.
    ///
    /// # Errors
    /// The database fails.
    pub async fn check_missing(&self, path: StoredPath, node: NodeId, now: UnixMillis) -> Result<bool, StoreError> {
        self.write("note that a copy is missing", move |conn| {
            Box::pin(async move {
                let missing = statement::query_scalar(MISSING).bind(path.as_str()).bind(node.as_str());
                let pools: Vec<i64> = missing.fetch_all(&mut *conn).await?;
                if !pools.is_empty() {
                    let pools: Vec<String> = pools.iter().map(ToString::to_string).collect();
                    outbox::put(conn, now, Topic::Pool, &pools).await?; // wakes the server that has the node
                }
                Ok(!pools.is_empty())
            })
        })
        .await
    }

    /// Those of these pools that have copies to be read. One look into an index for each.
    ///
    /// # Errors
    /// The database fails.
    pub async fn next_checks(&self, pools: &[PoolId]) -> Result<Vec<CheckView>, StoreError> {
        let ids: Vec<u64> = pools.iter().map(|pool| pool.get()).collect();
        self.read("look for copies to be read", async |mut conn| {
            let rows: Vec<(i64, Option<i64>)> = statement::query_as(NEXT).bind(json(&ids)).fetch_all(&mut conn).await?;
            let view = |(pool, next): (i64, Option<i64>)| {
                let next = UnixMillis(next?);
                Some(pool_id(pool).map(|pool| CheckView { pool, next }))
            };
            rows.into_iter().filter_map(view).collect()
        })
        .await
    }

    /// Copies of a pool that are due to be read, those that a person waits for first, up to `limit`. They stay due until
    /// their word is noted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn checks_due(&self, pool: PoolId, limit: u32, now: UnixMillis) -> Result<Vec<CheckOrder>, StoreError> {
        self.read("look for copies to be read", async |mut conn| {
            let query = statement::query_as(DUE).bind(int(pool.get())).bind(now.0).bind(i64::from(limit));
            let rows: Vec<DueRow> = query.fetch_all(&mut conn).await?;
            rows.into_iter().map(|row| row.order(pool)).collect()
        })
        .await
    }

    /// The nodes' words on copies. A word on a copy that is another one by now, or in no state to be read, does nothing.
    /// What is suspect or lost for the sake of it stays where it is; a copy that its image has moved away from goes.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_checks(&self, results: Vec<CheckResult>, now: UnixMillis) -> Result<Vec<Checked>, StoreError> {
        self.write("note what copies are", move |conn| Box::pin(async move { note(conn, &results, now).await })).await
    }
}

pub(super) const ASKED: &str = "
SELECT i.uuid, r.file_id, r.pool_id
FROM json_each($1) AS a
    CROSS JOIN images i ON i.uuid = (a.value ->> 0) AND i.deleting = 0
    CROSS JOIN files f ON f.image_id = i.id
    LEFT JOIN replicas r ON r.file_id = f.id AND r.state IN ('live', 'suspect', 'lost')";
/// What is in doubt in a pool, and what keeps old copies in its trash because nobody knows that it is right.
/// (`state <> 'live'` names the partial index.) What is asked for already waits anyhow.
pub(super) const DOUBTED: &str = "
SELECT r.file_id, r.pool_id FROM replicas r
WHERE r.pool_id = $1 AND r.state IN ('suspect', 'lost') AND r.state <> 'live' AND COALESCE(r.check_at, 1) <> 0
UNION
SELECT l.file_id, l.pool_id FROM replicas r CROSS JOIN files f ON f.id = r.file_id
    CROSS JOIN replicas l ON l.file_id = r.file_id AND l.state IN ('live', 'suspect', 'lost')
        AND COALESCE(l.check_at, 1) <> 0
WHERE r.pool_id = $1 AND r.state = 'trashed' AND r.state <> 'live'
    AND NOT EXISTS (SELECT 1 FROM files s JOIN replicas k ON k.file_id = s.id
        WHERE s.image_id = f.image_id AND s.sha256 = f.sha256 AND k.state = 'live' AND k.verified > 0)
LIMIT $2";
pub(super) const ASK: &str = "
UPDATE replicas SET check_at = 0, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)
    AND replicas.state IN ('live', 'suspect', 'lost')";

pub(super) const MISSING: &str = "
UPDATE replicas SET check_at = 0, failures = 0
WHERE file_id IN (SELECT id FROM files WHERE stored_path = $1) AND pool_id IN (SELECT id FROM pools WHERE node_id = $2)
    AND state IN ('live', 'suspect') AND COALESCE(check_at, 1) <> 0
RETURNING pool_id";

async fn ask_for(
    conn: &mut Conn,
    ask: &CheckAsk,
    doubted: Vec<(i64, i64)>,
    now: UnixMillis,
) -> Result<BTreeMap<PoolId, u64>, Trouble> {
    let (keys, subject): (BTreeSet<(i64, i64)>, String) = match ask {
        CheckAsk::Images(images) => {
            let asked: BTreeSet<String> = images.iter().map(ToString::to_string).collect();
            (of_images(conn, &asked).await?, audit::images(u64::try_from(asked.len()).unwrap_or(u64::MAX)))
        }
        CheckAsk::Doubted(pool) => {
            let name = existing(conn, *pool).await?.name;
            (doubted.into_iter().collect(), format!("pool {name} ({pool})"))
        }
    };
    statement::query(ASK).bind(json(&keys)).execute(&mut *conn).await?;
    let mut copies: BTreeMap<PoolId, u64> = BTreeMap::new();
    for (_, pool) in &keys {
        *copies.entry(pool_id(*pool)?).or_default() += 1;
    }
    let pools: Vec<String> = copies.keys().map(ToString::to_string).collect();
    if !pools.is_empty() {
        outbox::put(conn, now, Topic::Pool, &pools).await?; // wakes the server that has the node
    }
    let copies_read = if keys.len() == 1 { "1 copy".to_owned() } else { format!("{} copies", keys.len()) };
    outbox::audit(conn, now, "verify_images", &subject, &copies_read).await?;
    Ok(copies)
}

async fn of_images(conn: &mut Conn, asked: &BTreeSet<String>) -> Result<BTreeSet<(i64, i64)>, Trouble> {
    if asked.is_empty() || asked.len() > CheckAsk::MAX_IMAGES {
        let (count, most) = (asked.len(), CheckAsk::MAX_IMAGES);
        return Err(Refusal::invalid(text!(
            de "uuids: {count} Bilder in einer Anfrage, 1 bis {most} gehen",
            en "uuids: {count} images in one request, 1 to {most} go"
        ))
        .into());
    }
    let words: Vec<[&String; 1]> = asked.iter().map(|uuid| [uuid]).collect();
    let rows: Vec<(String, Option<i64>, Option<i64>)> =
        statement::query_as(ASKED).bind(json(&words)).fetch_all(conn).await?;
    let known: HashSet<&String> = rows.iter().map(|(uuid, ..)| uuid).collect();
    let unknown: Vec<&str> = asked.iter().filter(|uuid| !known.contains(uuid)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(Refusal::no_images(&unknown).into());
    }
    Ok(rows.into_iter().filter_map(|(_, file, pool)| Some((file?, pool?))).collect())
}

// These words name the partial index.
pub(super) const NEXT: &str = "
SELECT CAST(a.value AS BIGINT), (SELECT MIN(r.check_at) FROM replicas r WHERE r.pool_id = CAST(a.value AS BIGINT)
    AND r.check_at IS NOT NULL AND r.state IN ('live', 'suspect', 'lost'))
FROM json_each($1) AS a";
pub(super) const DUE: &str = "
SELECT f.stored_path, f.size, f.sha256, r.generation, r.failures
FROM replicas r CROSS JOIN files f ON f.id = r.file_id
WHERE r.pool_id = $1 AND r.check_at IS NOT NULL AND r.state IN ('live', 'suspect', 'lost') AND r.check_at <= $2
ORDER BY r.check_at, r.file_id LIMIT $3";

#[derive(FromRow)]
struct DueRow {
    stored_path: String,
    size: i64,
    sha256: Vec<u8>,
    generation: i64,
    failures: i64,
}

impl DueRow {
    fn order(self, pool: PoolId) -> Result<CheckOrder, Trouble> {
        Ok(CheckOrder {
            pool,
            path: checked(self.stored_path.parse(), "files.stored_path")?,
            generation: Generation(uint(self.generation)),
            size: uint(self.size),
            sha256: sha256(&self.sha256)?,
            failures: small(self.failures),
        })
    }
}

/// A copy that a word is about.
#[derive(FromRow)]
struct ReadRow {
    word: i64,
    file_id: i64,
    pool_id: i64,
    state: String,
    size: i64,
    uuid: String,
    is_home: bool,
    has_other: bool,
}

pub(super) const READ: &str = "
SELECT CAST(a.value ->> 0 AS BIGINT) AS word, r.file_id, r.pool_id, r.state, f.size, i.uuid, i.pool_id = r.pool_id AS is_home,
    EXISTS (SELECT 1 FROM replicas l
        WHERE l.file_id = r.file_id AND l.pool_id = i.pool_id AND l.state = 'live' AND l.verified > 0) AS has_other
FROM json_each($1) AS a
    CROSS JOIN files f ON f.stored_path = (a.value ->> 2)
    CROSS JOIN replicas r ON r.file_id = f.id AND r.pool_id = CAST(a.value ->> 1 AS BIGINT)
    CROSS JOIN images i ON i.id = f.image_id
WHERE r.generation = CAST(a.value ->> 3 AS BIGINT) AND r.state IN ('live', 'suspect', 'lost')";
pub(super) const SETTLED: &str = "
UPDATE replicas SET state = a.value ->> 2, verified = CASE WHEN (a.value ->> 2) = 'live' THEN CAST($2 AS BIGINT) ELSE 0 END,
    since = CASE WHEN state = (a.value ->> 2) THEN since ELSE CAST($2 AS BIGINT) END, check_at = NULL, failures = 0
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
pub(super) const AGAIN: &str = "
UPDATE replicas SET check_at = CAST(a.value ->> 2 AS BIGINT), failures = failures + 1
FROM json_each($1) AS a WHERE replicas.file_id = CAST(a.value ->> 0 AS BIGINT) AND replicas.pool_id = CAST(a.value ->> 1 AS BIGINT)";
pub(super) const FORGET: &str = "
DELETE FROM replicas WHERE (file_id, pool_id)
    IN (SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) FROM json_each($1))";

/// What becomes of the copies of a batch.
#[derive(Default)]
struct Turned {
    tally: Tally,
    /// file, pool, state
    settled: Vec<(i64, i64, &'static str)>,
    /// file, pool, when
    again: Vec<(i64, i64, i64)>,
    condemned: Vec<(i64, i64)>,
    forgotten: Vec<(i64, i64)>,
    checked: Vec<Checked>,
}

async fn note(conn: &mut Conn, results: &[CheckResult], now: UnixMillis) -> Result<Vec<Checked>, Trouble> {
    let word = |(n, word): (usize, &CheckResult)| (n, word.pool.get(), word.path.to_string(), word.generation.0);
    let words: Vec<_> = results.iter().enumerate().map(word).collect();
    let rows: Vec<ReadRow> = statement::query_as(READ).bind(json(&words)).fetch_all(&mut *conn).await?;
    // The last word on a copy counts.
    let rows: HashMap<(i64, i64), ReadRow> = rows.into_iter().map(|row| ((row.file_id, row.pool_id), row)).collect();
    let mut turned = Turned::default();
    for row in rows.into_values() {
        let word = usize::try_from(row.word).ok().and_then(|n| results.get(n));
        if let Some(word) = word {
            turned.take(&row, word)?;
        }
    }
    turned.write(conn, now).await
}

impl Turned {
    fn take(&mut self, row: &ReadRow, result: &CheckResult) -> Result<(), Trouble> {
        let (file, pool) = (row.file_id, row.pool_id);
        let found = match result.outcome {
            CheckOutcome::Again(at) => {
                self.again.push((file, pool, at.0));
                return Ok(());
            }
            CheckOutcome::Found(found) => found,
        };
        let was = word(ReplicaState::parse(&row.state), "replicas.state", &row.state)?;
        let place = match (row.is_home, row.has_other) {
            (true, _) => Whereabouts::Here,
            (false, true) => Whereabouts::Elsewhere,
            (false, false) => Whereabouts::ElsewhereWithoutIt,
        };
        let is = match after_check(was, place, found) {
            AfterCheck::Is(state) => {
                self.settled.push((file, pool, state.as_str()));
                Some(state)
            }
            AfterCheck::Trash => {
                self.condemned.push((file, pool));
                Some(ReplicaState::Condemned)
            }
            AfterCheck::Forget => {
                self.forgotten.push((file, pool));
                None
            }
        };
        let after = is.map_or(Bucket::None, |state| state.bucket(false));
        self.tally.shift(pool, row.size, was.bucket(false), after);
        let image: ImageId = checked(row.uuid.parse(), "images.uuid")?;
        self.checked.push(Checked { image, path: result.path.clone(), pool: result.pool, found, was, is });
        Ok(())
    }

    async fn write(self, conn: &mut Conn, now: UnixMillis) -> Result<Vec<Checked>, Trouble> {
        let settled = statement::query(SETTLED).bind(json(&self.settled)).bind(now.0);
        settled.execute(&mut *conn).await?;
        for (sql, rows) in [(AGAIN, json(&self.again)), (FORGET, json(&self.forgotten))] {
            if rows != "[]" {
                statement::query(sql).bind(rows).execute(&mut *conn).await?;
            }
        }
        if !self.condemned.is_empty() {
            statement::query(CONDEMN).bind(json(&self.condemned)).bind(now.0).execute(&mut *conn).await?;
        }
        self.tally.apply(conn).await?;
        let images: BTreeSet<String> = self.checked.iter().map(|copy| copy.image.to_string()).collect();
        if !images.is_empty() {
            outbox::put(conn, now, Topic::Image, &images.into_iter().collect::<Vec<_>>()).await?;
        }
        Ok(self.checked)
    }
}
