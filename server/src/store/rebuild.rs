//! The books made again from what lies in the pools: pools by their markers, images by the marks of their files. Each
//! batch is one transaction, and the same batch again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use pixelfox_proto::{PoolId, text};
use sqlx::FromRow;

use super::{
    Store, StoreError, Topic, Trouble,
    copy::{GO_ON, beyond},
    dialect::{checked, int, json, pool_id, sha256, uint},
    newcomers::{self, Newcomer},
    outbox, pools, rows,
    statement::{self, Conn, Together},
    tally::Tally,
};
use crate::catalog::{
    Adopted, Bucket, Elsewhere, Fate, FoundFile, FoundImage, FoundPool, Here, Namesakes, OnRecord, Pool, PoolDraft,
    RebuildRule, Refusal, ReplicaState, Sorted, TakenIn, UnixMillis,
};

/// Set while a rebuild has begun and not ended: it may go on after it was killed.
const UNDER_WAY: &str = "rebuild";

impl Store {
    /// A rebuild begins, or goes on. Anew: pools that an accidental start has made, and that never came up, are taken
    /// out, since the real ones may be where they would be.
    ///
    /// # Errors
    /// Anew, and the database holds images or jobs.
    pub async fn begin_rebuild(&self, rule: RebuildRule, now: UnixMillis) -> Result<(), StoreError> {
        self.write("begin the rebuild", move |conn| Box::pin(async move { begin(conn, rule, now).await })).await
    }

    /// Its end.
    ///
    /// # Errors
    /// The database fails.
    pub async fn end_rebuild(&self) -> Result<(), StoreError> {
        const END: &str = "DELETE FROM counters WHERE name = $1";
        const DEFAULT: &str = "UPDATE pools SET is_default = 1 WHERE id = (SELECT MIN(id) FROM pools)
            AND NOT EXISTS (SELECT 1 FROM pools WHERE is_default = 1)";
        self.write("end the rebuild", move |conn| {
            Box::pin(async move {
                statement::query(DEFAULT).execute(&mut *conn).await?;
                Ok(statement::query(END).bind(UNDER_WAY).execute(conn).await?)
            })
        })
        .await
    }

    /// Whether one has begun and not ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_rebuilding(&self) -> Result<bool, StoreError> {
        self.read("look for a rebuild", async |mut conn| is_under_way(&mut conn).await).await
    }

    /// Brings a pool into the books as its marker has it, where they have none of that identity and none of it was
    /// deleted.
    ///
    /// # Errors
    /// A marker that makes no pool, the name or directory of another one.
    pub async fn adopt_pool(&self, found: FoundPool, now: UnixMillis) -> Result<Adopted, StoreError> {
        self.write("take a pool in", move |conn| Box::pin(async move { adopt(conn, found, now).await })).await
    }

    /// Whether a pool of that identity was deleted, or its disk given up.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_retired(&self, identity: &str) -> Result<bool, StoreError> {
        self.read("look for a deleted pool", async |mut conn| is_retired(&mut conn, identity).await).await
    }

    /// Takes in files that lie in a pool.
    ///
    /// # Errors
    /// The database fails.
    pub async fn take_in(
        &self,
        pool: PoolId,
        files: Vec<FoundFile>,
        rule: RebuildRule,
        now: UnixMillis,
    ) -> Result<TakenIn, StoreError> {
        self.write("take files in", move |conn| Box::pin(async move { take_in(conn, pool, files, rule, now).await }))
            .await
    }
}

async fn is_under_way(conn: &mut Conn) -> Result<bool, Trouble> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM counters WHERE name = $1)";
    Ok(statement::query_scalar(SQL).bind(UNDER_WAY).fetch_one(conn).await?)
}

async fn begin(conn: &mut Conn, rule: RebuildRule, now: UnixMillis) -> Result<(), Trouble> {
    const BEGIN: &str = "INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING";
    const USED: &str = "SELECT EXISTS (SELECT 1 FROM images) OR EXISTS (SELECT 1 FROM jobs)";
    const NEVER_UP: &str = "DELETE FROM pools WHERE initialize = 1
        AND NOT EXISTS (SELECT 1 FROM replicas r WHERE r.pool_id = pools.id)
        AND NOT EXISTS (SELECT 1 FROM images i WHERE i.pool_id = pools.id)";
    if rule != RebuildRule::Anew || is_under_way(conn).await? {
        return Ok(());
    }
    if statement::query_scalar(USED).fetch_one(&mut *conn).await? {
        return Err(Refusal::precondition(text!(
            de "die Datenbank hat schon Bilder oder Aufträge: DATABASE_URL auf eine leere setzen, oder mit --add nur aufnehmen, was ihr fehlt",
            en "the database has images or jobs already: set DATABASE_URL to an empty one, or take in only what it lacks, with --add"
        ))
        .into());
    }
    statement::query(NEVER_UP).execute(&mut *conn).await?;
    statement::query(GO_ON).bind(beyond(now)).execute(&mut *conn).await?;
    Ok(statement::query(BEGIN).bind(UNDER_WAY).execute(conn).await?)
}

async fn adopt(conn: &mut Conn, found: FoundPool, now: UnixMillis) -> Result<Adopted, Trouble> {
    const MADE_INSTEAD: &str = "DELETE FROM pools WHERE initialize = 1
        AND node_id = $1 AND (base_path = $2 OR name = $3)
        AND NOT EXISTS (SELECT 1 FROM replicas r WHERE r.pool_id = pools.id)
        AND NOT EXISTS (SELECT 1 FROM images i WHERE i.pool_id = pools.id)";
    let all = rows::all_pools(conn).await?;
    if let Some(pool) = all.iter().find(|pool| pool.identity == found.identity) {
        return Ok(Adopted::Known(pool.id));
    }
    let name = &found.draft.name;
    if is_retired(conn, &found.identity).await? {
        return Ok(Adopted::Deleted);
    }
    // One that an accidental start has made in its place, and that never came up, makes way for it.
    let instead = statement::query(MADE_INSTEAD).bind(&found.draft.node_id).bind(&found.draft.base_path).bind(name);
    instead.execute(&mut *conn).await?;
    let all = rows::all_pools(conn).await?;
    let draft = PoolDraft { is_default: found.draft.is_default && !has_default(&all), ..found.draft };
    let id = found.id.filter(|id| all.iter().all(|pool| pool.id != *id));
    let id = pools::insert_as(conn, draft, &found.identity, id, now).await?;
    outbox::put(conn, now, Topic::Pool, &[id.to_string()]).await?;
    Ok(Adopted::New(pool_id(id)?))
}

async fn is_retired(conn: &mut Conn, identity: &str) -> Result<bool, Trouble> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM retired_pools WHERE identity = $1)";
    Ok(statement::query_scalar(SQL).bind(identity.to_owned()).fetch_one(conn).await?)
}

fn has_default(pools: &[Pool]) -> bool {
    pools.iter().any(|pool| pool.is_default)
}

/// A file on record under a path that was found.
#[derive(FromRow)]
struct RecordRow {
    stored_path: String,
    file_id: i64,
    image_id: i64,
    uuid: String,
    pool_id: i64,
    size: i64,
    sha256: Vec<u8>,
    generation: i64,
    state: Option<String>,
    here: Option<String>,
    here_trash: Option<i64>,
    is_busy: bool,
}

const RECORDS: &str = "
SELECT f.stored_path, f.id AS file_id, i.id AS image_id, i.uuid, i.pool_id, f.size, f.sha256,
    COALESCE(c.generation, 0) AS generation, c.state, i.job_id IS NOT NULL OR i.deleting = 1 AS is_busy,
    h.state AS here, h.trash_generation AS here_trash
FROM json_each($1) AS a
    CROSS JOIN files f ON f.stored_path = (a.value ->> 0)
    CROSS JOIN images i ON i.id = f.image_id
    LEFT JOIN replicas c ON c.file_id = f.id AND c.pool_id = i.pool_id
    LEFT JOIN replicas h ON h.file_id = f.id AND h.pool_id = $2";
const IDS: &str = "SELECT i.uuid FROM json_each($1) AS a CROSS JOIN images i ON i.uuid = (a.value ->> 0)";
const SHARES: &str =
    "SELECT i.share_token FROM json_each($1) AS a CROSS JOIN images i ON i.share_token = (a.value ->> 0)";
const DELETED: &str = "SELECT d.uuid FROM json_each($1) AS a CROSS JOIN deleted_images d ON d.uuid = (a.value ->> 0)";

/// What the books have of the names in a batch.
struct Known {
    records: BTreeMap<String, RecordRow>,
    ids: BTreeSet<String>,
    shares: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Known {
    async fn of(conn: &mut Conn, pool: i64, images: &[(FoundImage, FoundFile)]) -> Result<Self, Trouble> {
        let paths = json(&images.iter().map(|(image, _)| [image.path.as_str()]).collect::<Vec<_>>());
        let ids = json(&images.iter().map(|(image, _)| [image.id.to_string()]).collect::<Vec<_>>());
        let shares = json(&images.iter().map(|(image, _)| [image.share.as_str()]).collect::<Vec<_>>());
        let records: Vec<RecordRow> = statement::query_as(RECORDS).bind(paths).bind(pool).fetch_all(&mut *conn).await?;
        let of_ids: Vec<String> = statement::query_scalar(IDS).bind(&ids).fetch_all(&mut *conn).await?;
        let of_shares: Vec<String> = statement::query_scalar(SHARES).bind(shares).fetch_all(&mut *conn).await?;
        let deleted: Vec<String> = statement::query_scalar(DELETED).bind(ids).fetch_all(conn).await?;
        Ok(Self {
            records: records.into_iter().map(|row| (row.stored_path.clone(), row)).collect(),
            ids: of_ids.into_iter().collect(),
            shares: of_shares.into_iter().collect(),
            deleted: deleted.into_iter().collect(),
        })
    }

    fn namesakes(&self, image: &FoundImage) -> Namesakes {
        let id = image.id.to_string();
        Namesakes {
            id: self.ids.contains(&id),
            share: self.shares.contains(image.share.as_str()),
            deleted: self.deleted.contains(&id),
        }
    }
}

impl RecordRow {
    fn record(&self, found_in: i64) -> Result<OnRecord, Trouble> {
        let here = match rows::state(self.here.as_deref())? {
            None => Here::Nothing,
            Some(_) if self.pool_id == found_in => Here::Copy,
            Some(ReplicaState::Live | ReplicaState::Suspect | ReplicaState::Writing) => Here::Copy,
            Some(ReplicaState::Condemned) => Here::Leaving,
            Some(ReplicaState::Trashed | ReplicaState::Purging | ReplicaState::Lost) => Here::Gone,
        };
        Ok(OnRecord {
            sha256: sha256(&self.sha256)?,
            image: checked(self.uuid.parse(), "images.uuid")?,
            generation: pixelfox_proto::Generation(uint(self.generation)),
            is_suspect: rows::state(self.state.as_deref())? != Some(ReplicaState::Live),
            here,
            pool: pool_id(self.pool_id)?,
            is_busy: self.is_busy,
        })
    }
}

async fn take_in(
    conn: &mut Conn,
    pool: PoolId,
    files: Vec<FoundFile>,
    rule: RebuildRule,
    now: UnixMillis,
) -> Result<TakenIn, Trouble> {
    let (mut taken, mut images) = (TakenIn::default(), Vec::new());
    for file in files {
        match file.clone().sort() {
            Sorted::Image(image) => images.push((*image, file)),
            Sorted::Unowned => taken.unowned += 1,
            Sorted::Damaged(why) => taken.leave(why),
        }
    }
    let mut batch = Batch { pool: int(pool.get()), tally: Tally::default(), new: Vec::new(), moved: Vec::new(), now };
    let mut known = Known::of(conn, batch.pool, &images).await?;
    for (image, file) in images {
        let row = known.records.get(image.path.as_str());
        let record = row.map(|row| row.record(batch.pool)).transpose()?;
        match (image.fate(record.as_ref(), known.namesakes(&image), rule), row) {
            (Fate::New, _) => {
                known.ids.insert(image.id.to_string());
                known.shares.insert(image.share.as_str().to_owned());
                taken.images += 1;
                taken.bytes += image.size;
                taken.suspect += u64::from(image.is_suspect);
                batch.new.push(image);
            }
            (Fate::Elsewhere(pool), _) => {
                let is_leaving = record.is_some_and(|record| record.here == Here::Leaving);
                taken.elsewhere.push(Elsewhere { pool, file, is_leaving });
            }
            (Fate::Newer, Some(row)) => {
                let became = match rule {
                    RebuildRule::Anew => ReplicaState::Condemned,
                    RebuildRule::Add | RebuildRule::Instead => ReplicaState::Trashed,
                };
                taken.old_copies += u64::from(rule == RebuildRule::Anew);
                taken.moved += u64::from(rule != RebuildRule::Anew);
                batch.newer(conn, image, row, became).await?;
            }
            (Fate::Older, Some(row)) => {
                taken.old_copies += 1;
                batch.older(conn, &image, row).await?;
            }
            (Fate::Left(why), _) => taken.leave(why),
            (Fate::Known | Fate::Newer | Fate::Older, _) => taken.known += 1,
        }
    }
    batch.end(conn).await?;
    Ok(taken)
}

/// What one transaction writes.
struct Batch {
    pool: i64,
    tally: Tally,
    /// They become images.
    new: Vec<FoundImage>,
    /// They are images' copies from now on.
    moved: Vec<FoundImage>,
    now: UnixMillis,
}

const OLD_COPY: &str = "
INSERT INTO replicas (file_id, pool_id, generation, state, since) VALUES ($1, $2, $3, 'condemned', $4)";
/// What was at its place is to go to the trash; what was not there has gone there before.
const OLD: &str = "
UPDATE replicas SET state = $4, job_id = NULL, since = $3, ordered_epoch = 0, failures = 0, check_at = NULL,
    not_before = CASE WHEN $4 = 'trashed' THEN $3 ELSE 0 END
WHERE file_id = $1 AND pool_id = $2";
const EARLIER: &str = "DELETE FROM replicas WHERE file_id = $1 AND pool_id = $2";
const RAISE: &str = "UPDATE files SET generation = $2 WHERE id = $1 AND generation < $2";
impl Batch {
    /// The image is here from now on; its copy elsewhere is an old one.
    async fn newer(
        &mut self,
        conn: &mut Conn,
        image: FoundImage,
        row: &RecordRow,
        became: ReplicaState,
    ) -> Result<(), Trouble> {
        let before = rows::state(row.state.as_deref())?.map_or(Bucket::None, |state| state.bucket(false));
        if before != Bucket::None {
            let old = statement::query(OLD).bind(row.file_id).bind(row.pool_id).bind(self.now.0);
            old.bind(became.as_str()).execute(&mut *conn).await?;
            self.tally.shift(row.pool_id, row.size, before, Bucket::Trash);
        }
        // What the books have of an earlier stay in this pool makes way for this one.
        if let Some(here) = rows::state(row.here.as_deref())? {
            statement::query(EARLIER).bind(row.file_id).bind(self.pool).execute(&mut *conn).await?;
            self.tally.shift(self.pool, row.size, here.bucket(row.here_trash.is_some()), Bucket::None);
        }
        newcomers::enter(conn, row.image_id, (row.pool_id, self.pool), &mut self.tally).await?;
        statement::query(RAISE).bind(row.file_id).bind(int(image.generation.0)).execute(conn).await?;
        self.moved.push(image);
        Ok(())
    }

    /// An old copy of an image that is elsewhere: its node puts it into the trash.
    async fn older(&mut self, conn: &mut Conn, image: &FoundImage, row: &RecordRow) -> Result<(), Trouble> {
        self.tally.shift(self.pool, row.size, Bucket::None, Bucket::Trash);
        statement::query(RAISE).bind(row.file_id).bind(int(image.generation.0)).execute(&mut *conn).await?;
        let copy = statement::query(OLD_COPY).bind(row.file_id).bind(self.pool).bind(int(image.generation.0));
        Ok(copy.bind(self.now.0).execute(conn).await?)
    }

    async fn end(mut self, conn: &mut Conn) -> Result<(), Trouble> {
        /// Later keys and accounts get numbers that no upload has.
        const USERS: &str = "UPDATE counters SET value = $1 WHERE name = 'user' AND value < $1";
        let (mut together, pool) = (Together::default(), pool_id(self.pool)?);
        newcomers::images(&mut together, &came(&self.new, pool), &mut self.tally, self.now);
        newcomers::copies(&mut together, &came(&self.moved, pool), &mut self.tally, self.now);
        let user = self.new.iter().map(|image| image.meta.user_id).max().unwrap_or(0);
        together.add((user > 0).then(|| statement::query(USERS).bind(int(user)))).add(self.tally.statement());
        let uuids: Vec<String> = self.new.iter().chain(&self.moved).map(|image| image.id.to_string()).collect();
        together.add((!uuids.is_empty()).then(|| outbox::news(self.now, Topic::Image, &uuids)));
        Ok(together.execute(conn).await?)
    }
}

/// Nobody has read their bytes since the books were lost: their node does, as a chore.
fn came(images: &[FoundImage], pool: PoolId) -> Vec<Newcomer<'_>> {
    let newcomers = images.iter().map(|image| Newcomer {
        image: image.id,
        share: image.share.as_str(),
        path: &image.path,
        pool,
        size: image.size,
        sha256: image.sha256,
        meta: &image.meta,
        visitor: image.visitor,
        generation: image.generation,
        state: if image.is_suspect { ReplicaState::Suspect } else { ReplicaState::Live },
        verified: UnixMillis(0),
        check_at: Some(UnixMillis(1)),
    });
    newcomers.collect()
}
