-- Who may sign in to the pages, who is signed in, and who changed what.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    -- argon2id, in PHC form.
    password TEXT NOT NULL,
    created INTEGER NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of the secret that the browser has.
    digest BLOB NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
CREATE INDEX sessions_of_account ON sessions (account_id, created);
CREATE INDEX sessions_by_end ON sessions (expires);

-- `server`, `token`, `console`, or an account's name. Rows from before this had no name for it.
ALTER TABLE audit ADD COLUMN actor TEXT NOT NULL DEFAULT '';
-- The fields that were changed, before and after: JSON objects, or empty.
ALTER TABLE audit ADD COLUMN was TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN became TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_of_actor ON audit (actor, id);
CREATE INDEX audit_of_action ON audit (action, id);
CREATE INDEX audit_of_subject ON audit (subject, id);
CREATE INDEX audit_by_time ON audit (at);
