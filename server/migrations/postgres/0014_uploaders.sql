-- Accounts of the pages that have uploaded, and the users that their uploads are counted by: numbers of the same
-- counter as those of API keys.
CREATE TABLE uploaders (
    account TEXT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL
);
