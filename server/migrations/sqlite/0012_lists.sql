-- Lists of a million images and jobs: each order of images has its index, jobs are found by their image, and those that
-- people asked for among a million children. By time the name is at hand, so that a search reads the index alone.
CREATE INDEX images_by_created ON images (created, id, name_key);
CREATE INDEX images_by_size ON images (size, id);
CREATE INDEX images_by_name ON images (name_key, id);
CREATE INDEX jobs_of_image ON jobs (image_id, id) WHERE image_id IS NOT NULL;
CREATE INDEX jobs_on_top ON jobs (id) WHERE parent_id IS NULL;
