-- Children that were completed without moving their image, because its original was not at the source.
ALTER TABLE jobs ADD COLUMN children_unmoved INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET children_unmoved = (SELECT COUNT(*) FROM jobs c WHERE c.parent_id = jobs.id AND c.kind = 'move_image'
    AND c.state = 'completed' AND c.committed = 0)
WHERE files_missing > 0 AND kind IN ('move_images', 'move_pool', 'undo');
