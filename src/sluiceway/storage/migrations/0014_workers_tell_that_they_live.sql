-- Workers say every few seconds that they settle, so that whoever asks a server whether it is ready learns of it when
-- nobody does. Locks: none; the table is new.
--
-- Unlogged, and without an organization, like call_bucket: nothing depends on it after a crash, and a commit that has
-- touched nothing else waits for no disk. A row for each process that settles, by the server's clock.

CREATE UNLOGGED TABLE worker_heartbeat (
    worker_id uuid PRIMARY KEY,
    began_at timestamptz NOT NULL,
    beat_at timestamptz NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON worker_heartbeat TO sluiceway_app;
-- Who serves may see what has been migrated, and still not change it.
GRANT SELECT ON schema_migration TO sluiceway_app;
