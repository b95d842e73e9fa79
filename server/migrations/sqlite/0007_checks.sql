-- Copies whose bytes are to be read and compared with the record, and parents that go on after they were called off.

-- When the copy is to be read (NULL: not): 0: at once, a person waits for it; else a time.
ALTER TABLE replicas ADD COLUMN check_at INTEGER;
UPDATE replicas SET check_at = 1 WHERE verified = 0 AND state = 'live';
DROP INDEX replicas_unverified;
CREATE INDEX replicas_to_check ON replicas (pool_id, check_at, file_id)
WHERE check_at IS NOT NULL AND state IN ('live', 'suspect', 'lost');

-- Of a parent that was called off: where its plan ended.
ALTER TABLE jobs ADD COLUMN planned_end INTEGER NOT NULL DEFAULT 0;
