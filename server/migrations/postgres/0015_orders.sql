-- Where a page of images begins is found whatever how many have the same size or name, and a pool's images lie by time.
DROP INDEX images_by_size;
DROP INDEX images_by_name;
DROP INDEX images_of_pool;
CREATE INDEX images_by_size ON images (size, id);
CREATE INDEX images_by_name ON images (name_key, id);
CREATE INDEX images_of_pool ON images (pool_id, created, id);
