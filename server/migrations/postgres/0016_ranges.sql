-- Images that a plan for a whole pool left out, by their entries from first to last: a disk full of lost images is one row.
-- What plans of before left out stays in left_out; an undo keeps there whose move had not ended when it was planned.
CREATE TABLE left_out_ranges (
    job_id BIGINT NOT NULL,
    first_entry BIGINT NOT NULL,
    last_entry BIGINT NOT NULL,
    PRIMARY KEY (job_id, first_entry)
);
