-- The books of the cluster. Times are Unix milliseconds, flags 0 or 1, states the words of `catalog`.
-- Pool 0, node '' and time 0 stand for "none" where a column is part of an index that must not have NULL.

CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('epoch', 0), ('lease', 0);

CREATE TABLE pools (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    node_id TEXT NOT NULL,
    base_path TEXT NOT NULL,
    identity TEXT NOT NULL UNIQUE,
    upload_api_url TEXT NOT NULL,
    public_base_url TEXT NOT NULL,
    max_size BIGINT NOT NULL,
    is_active BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    storage_type TEXT NOT NULL,
    storage_tier TEXT NOT NULL,
    description TEXT NOT NULL,
    legacy_pool_id BIGINT NOT NULL,
    legacy_node BIGINT NOT NULL,
    initialize BIGINT NOT NULL DEFAULT 1,
    revision BIGINT NOT NULL DEFAULT 1,
    created BIGINT NOT NULL,
    -- Counters of what is in the pool, kept by the transactions that change it.
    used_bytes BIGINT NOT NULL DEFAULT 0,
    used_files BIGINT NOT NULL DEFAULT 0,
    reserved_bytes BIGINT NOT NULL DEFAULT 0,
    trash_bytes BIGINT NOT NULL DEFAULT 0,
    trash_files BIGINT NOT NULL DEFAULT 0,
    images BIGINT NOT NULL DEFAULT 0,
    -- The number that the last image got when it entered the pool.
    entered BIGINT NOT NULL DEFAULT 0,
    UNIQUE (node_id, base_path)
);
CREATE UNIQUE INDEX one_default_pool ON pools (is_default) WHERE is_default = 1;

CREATE TABLE nodes (
    node_id TEXT NOT NULL PRIMARY KEY,
    instance_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    version TEXT NOT NULL,
    slots BIGINT NOT NULL,
    address TEXT NOT NULL,
    node_url TEXT NOT NULL,
    attached BIGINT NOT NULL,
    last_seen BIGINT NOT NULL
);

-- Nodes that ever had a pool: AUTO_POOLS makes no second one for them.
CREATE TABLE nodes_with_pools (
    node_id TEXT NOT NULL PRIMARY KEY
);

CREATE TABLE images (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    share_token TEXT NOT NULL UNIQUE,
    original_name TEXT NOT NULL,
    -- The name in lower case, for the search.
    name_key TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    user_id BIGINT NOT NULL,
    created BIGINT NOT NULL,
    pool_id BIGINT NOT NULL REFERENCES pools (id),
    -- Rising number within the pool: a plan for a whole pool covers those up to a number.
    entry BIGINT NOT NULL,
    -- The open job that changes its files: at most one.
    job_id BIGINT,
    deleting BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX images_of_pool ON images (pool_id, id);
CREATE UNIQUE INDEX images_by_entry ON images (pool_id, entry);
CREATE INDEX images_of_user ON images (user_id, sha256) WHERE user_id <> 0;

-- Uploads that ask again after their image was deleted are told to drop their file.
CREATE TABLE deleted_images (
    uuid TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);

CREATE TABLE files (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id BIGINT NOT NULL REFERENCES images (id),
    stored_path TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    content_type TEXT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    -- The highest that any copy ever got; never falls.
    generation BIGINT NOT NULL
);
CREATE INDEX files_of_image ON files (image_id);

CREATE TABLE replicas (
    file_id BIGINT NOT NULL REFERENCES files (id),
    pool_id BIGINT NOT NULL REFERENCES pools (id),
    generation BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- While `writing`: the generation of the copy in the pool's trash that is being restored.
    trash_generation BIGINT,
    -- The job that writes or condemned it.
    job_id BIGINT,
    -- Since when it is in this state.
    since BIGINT NOT NULL,
    -- When its bytes were last known to be right.
    verified BIGINT NOT NULL DEFAULT 0,
    -- While `condemned`: the session under which the word to the node is out, when it may go out again, and how often
    -- it went wrong.
    ordered_epoch BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (file_id, pool_id)
);
CREATE INDEX replicas_unsettled ON replicas (pool_id, state, not_before) WHERE state <> 'live';
CREATE INDEX replicas_of_job ON replicas (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    parent_id BIGINT,
    node_id TEXT NOT NULL DEFAULT '',
    image_id BIGINT,
    image_uuid TEXT,
    source_pool_id BIGINT NOT NULL DEFAULT 0,
    target_pool_id BIGINT NOT NULL DEFAULT 0,
    attempt BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    lease BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL DEFAULT 0,
    target_epoch BIGINT NOT NULL DEFAULT 0,
    leased BIGINT NOT NULL DEFAULT 0,
    -- 0: at once, in order of age; else a time.
    not_before BIGINT NOT NULL DEFAULT 0,
    -- The new location is committed: from there on it only goes forward.
    committed BIGINT NOT NULL DEFAULT 0,
    bytes_done BIGINT NOT NULL DEFAULT 0,
    bytes_total BIGINT NOT NULL DEFAULT 0,
    files_missing BIGINT NOT NULL DEFAULT 0,
    children_done BIGINT NOT NULL DEFAULT 0,
    children_failed BIGINT NOT NULL DEFAULT 0,
    children_total BIGINT NOT NULL DEFAULT 0,
    -- Of a parent that makes its children in slices: entry numbers, where it is and where it ends.
    cursor BIGINT NOT NULL DEFAULT 0,
    cursor_end BIGINT NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    created BIGINT NOT NULL,
    started BIGINT,
    finished BIGINT
);
CREATE INDEX jobs_ready ON jobs (node_id, kind, source_pool_id, target_pool_id, not_before, id) WHERE state = 'pending';
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_kind ON jobs (kind, id);
CREATE INDEX jobs_by_node ON jobs (node_id, id);
CREATE INDEX jobs_by_parent ON jobs (parent_id, id) WHERE parent_id IS NOT NULL;

-- What was answered to a client's request id.
CREATE TABLE requests (
    request_id TEXT NOT NULL PRIMARY KEY,
    asked TEXT NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX requests_by_time ON requests (at);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE outbox (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    topic TEXT NOT NULL,
    -- A JSON array of words.
    subjects TEXT NOT NULL
);
