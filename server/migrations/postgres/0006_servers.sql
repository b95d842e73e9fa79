-- Processes that share these books; one that is silent for too long is taken out. Times by the database's clock.
CREATE TABLE servers (
    life BIGINT NOT NULL PRIMARY KEY,
    seen BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('server', 0);

-- Whose life it is that has the node's session (0: it has none), and what the node last said of its pools, as JSON.
ALTER TABLE nodes ADD COLUMN server BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN pools TEXT NOT NULL DEFAULT '[]';

-- Which process wrote it; its own news are nothing new to it.
ALTER TABLE outbox ADD COLUMN process TEXT NOT NULL DEFAULT '';
