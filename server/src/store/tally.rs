//! Changes of the pools' counters, gathered while a transaction changes copies and written once at its end.

use std::collections::BTreeMap;

use super::{
    Trouble,
    dialect::json,
    statement::{self, Conn, Statement},
};
use crate::catalog::Bucket;

/// Per pool id, what to add.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pools: BTreeMap<i64, Delta>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Delta {
    used_bytes: i64,
    used_files: i64,
    reserved_bytes: i64,
    trash_bytes: i64,
    trash_files: i64,
    images: i64,
}

/// Adds to counters: pool, then in the order of the statement.
pub(super) const APPLY: &str = "
UPDATE pools SET
    used_bytes = used_bytes + CAST(d.value ->> 1 AS BIGINT), used_files = used_files + CAST(d.value ->> 2 AS BIGINT),
    reserved_bytes = reserved_bytes + CAST(d.value ->> 3 AS BIGINT),
    trash_bytes = trash_bytes + CAST(d.value ->> 4 AS BIGINT), trash_files = trash_files + CAST(d.value ->> 5 AS BIGINT),
    images = images + CAST(d.value ->> 6 AS BIGINT)
FROM json_each($1) AS d WHERE pools.id = CAST(d.value ->> 0 AS BIGINT)";

impl Tally {
    /// A copy of `size` bytes in this pool counts elsewhere from now on.
    pub(super) fn shift(&mut self, pool: i64, size: i64, from: Bucket, to: Bucket) {
        if from != to {
            let delta = self.pools.entry(pool).or_default();
            delta.add(from, -size, -1);
            delta.add(to, size, 1);
        }
    }

    /// So many images came, or went.
    pub(super) fn images(&mut self, pool: i64, change: i64) {
        self.pools.entry(pool).or_default().images += change;
    }

    /// Writes it. One statement.
    pub(super) async fn apply(self, conn: &mut Conn) -> Result<(), Trouble> {
        match self.statement() {
            Some(apply) => Ok(apply.execute(conn).await?),
            None => Ok(()),
        }
    }

    /// What [`Tally::apply`] runs, where anything has changed.
    pub(super) fn statement(self) -> Option<Statement<()>> {
        if self.pools.is_empty() {
            return None;
        }
        let row = |(pool, d): (i64, Delta)| {
            [pool, d.used_bytes, d.used_files, d.reserved_bytes, d.trash_bytes, d.trash_files, d.images]
        };
        let rows: Vec<[i64; 7]> = self.pools.into_iter().map(row).collect();
        Some(statement::query(APPLY).bind(json(&rows)))
    }
}

impl Delta {
    fn add(&mut self, bucket: Bucket, bytes: i64, files: i64) {
        match bucket {
            Bucket::None => {}
            Bucket::Used => {
                self.used_bytes += bytes;
                self.used_files += files;
            }
            Bucket::Reserved => self.reserved_bytes += bytes,
            Bucket::Trash => {
                self.trash_bytes += bytes;
                self.trash_files += files;
            }
        }
    }
}
