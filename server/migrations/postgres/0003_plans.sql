-- Parents that make their children in slices, moves that are taken back, copies whose bytes nobody has looked at yet.

-- Of a parent: children made so far and their bytes; images of the plan that were gone or blocked when their turn came,
-- and why, the first of them.
ALTER TABLE jobs ADD COLUMN made BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN made_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN left_behind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT '';
-- Of a child: 1 where it takes a move back, out of the target's trash and never by a copy. Of a parent: the parent whose
-- moves it takes back, where it goes through them by its cursor.
ALTER TABLE jobs ADD COLUMN undo BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN undo_of BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET made = children_total, made_bytes = bytes_total WHERE parent_id IS NULL;
CREATE INDEX jobs_sliced ON jobs (id) WHERE cursor < cursor_end;

-- The job that moved the image last.
ALTER TABLE images ADD COLUMN moved_by BIGINT NOT NULL DEFAULT 0;
UPDATE images SET moved_by = j.id
FROM (SELECT image_id, MAX(id) AS id FROM jobs WHERE committed = 1 AND image_id IS NOT NULL GROUP BY image_id) AS j
WHERE j.image_id = images.id;
CREATE INDEX images_busy ON images (pool_id, id) WHERE job_id IS NOT NULL;

-- Images that a plan for a whole pool left out: they stay out of it, whatever becomes of them later.
CREATE TABLE left_out (
    job_id BIGINT NOT NULL,
    image_id BIGINT NOT NULL,
    PRIMARY KEY (job_id, image_id)
);

CREATE INDEX replicas_unverified ON replicas (pool_id, file_id) WHERE verified = 0 AND state = 'live';
