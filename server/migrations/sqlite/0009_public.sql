-- API keys: the digest of the word, never the word. 'user' counts the users that uploads belong to; 0 is a visitor.
INSERT INTO counters (name, value) VALUES ('user', 0);
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL,
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL DEFAULT 0
);

-- The cookie session of a visitor's upload; 0: none. The same bytes within it are one image.
ALTER TABLE images ADD COLUMN visitor INTEGER NOT NULL DEFAULT 0;
CREATE INDEX images_of_visitor ON images (visitor, sha256) WHERE visitor <> 0;
