-- Rate limits: how many calls a minute each credential may make, and how many it has left.
-- Locks: the new columns have constant defaults, so nothing is rewritten; call_bucket is new.
--
-- call_bucket is unlogged on purpose: it is written with every call, nothing depends on it after a crash, and a commit
-- that has touched nothing else waits for no disk. After a crash every bucket is full again. Like credentials it is
-- looked up before the organization is known.

ALTER TABLE api_key ADD COLUMN calls_per_minute integer DEFAULT 100 CHECK (calls_per_minute BETWEEN 1 AND 1000000);
ALTER TABLE access_token ADD COLUMN calls_per_minute integer DEFAULT 100
    CHECK (calls_per_minute BETWEEN 1 AND 1000000);
ALTER TABLE rule_secret ADD COLUMN calls_per_minute integer DEFAULT 100
    CHECK (calls_per_minute BETWEEN 1 AND 1000000);

-- A bucket that fills by one call every 60 s / calls_per_minute. free_at: when it will be full, in microseconds of real
-- time. granted: how many calls of the last batch it let through.
CREATE UNLOGGED TABLE call_bucket (
    secret_hash bytea PRIMARY KEY,
    free_at bigint NOT NULL,
    granted integer NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON call_bucket TO sluiceway_app;
GRANT UPDATE (calls_per_minute) ON api_key, access_token, rule_secret TO sluiceway_app;
