-- Since when this process has given its signs of life without a gap, by the database's clock: for no longer than that
-- can it tell that another one is silent.
ALTER TABLE servers ADD COLUMN since BIGINT NOT NULL DEFAULT 0;

-- 1: the job is carried out by the server that has the target's node (everything comes from the trash there), else by
-- the one that has the source's.
ALTER TABLE jobs ADD COLUMN by_target BIGINT NOT NULL DEFAULT 0;

-- Its NODE_ID, to name it to people; what tells a node's process from a second one with a copy of its STATE_DIR.
ALTER TABLE servers ADD COLUMN node_id TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN process_id TEXT NOT NULL DEFAULT '';
