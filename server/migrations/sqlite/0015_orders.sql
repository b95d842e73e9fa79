-- (The row id is the last column of every index of SQLite: named, it would not be compared together with the others.)
-- Where a page of images begins is found whatever how many have the same size or name, and a pool's images lie by time.
DROP INDEX images_by_size;
DROP INDEX images_by_name;
DROP INDEX images_of_pool;
CREATE INDEX images_by_size ON images (size);
CREATE INDEX images_by_name ON images (name_key);
CREATE INDEX images_of_pool ON images (pool_id, created);
-- Of two indexes that suit alike SQLite takes the one made last: what is busy in a pool is looked for among the few.
DROP INDEX images_busy;
CREATE INDEX images_busy ON images (pool_id, id) WHERE job_id IS NOT NULL;
