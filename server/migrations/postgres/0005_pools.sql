-- Identities of deleted pools: a new pool may take such a directory over.
CREATE TABLE retired_pools (
    identity TEXT NOT NULL PRIMARY KEY,
    pool_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL
);
