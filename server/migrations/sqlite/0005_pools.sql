-- Identities of deleted pools: a new pool may take such a directory over.
CREATE TABLE retired_pools (
    identity TEXT NOT NULL PRIMARY KEY,
    pool_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
