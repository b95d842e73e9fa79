-- Jobs that people pause, call off and try again.

-- Of a parent that was called off: it makes no further children and ends cancelled with its last one.
ALTER TABLE jobs ADD COLUMN cancelling BIGINT NOT NULL DEFAULT 0;
-- Children that people ended, those that were never made for the sake of it included.
ALTER TABLE jobs ADD COLUMN children_cancelled BIGINT NOT NULL DEFAULT 0;

-- The open children of a parent, however many are over.
CREATE INDEX jobs_open ON jobs (parent_id, id) WHERE finished IS NULL;
