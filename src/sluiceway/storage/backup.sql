-- name: has_history
-- Whether there is a database of ours.
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: schema
-- What has made the schema.
SELECT name, sha256 FROM schema_migration ORDER BY version;

-- name: is_spread
-- Whether any table is Citus's. Its catalogue is asked for by name: elsewhere there is none.
SELECT to_regclass('pg_dist_partition') IS NOT NULL;

-- name: tables
-- Ours, which are those that the application may read; without what is forgotten in a crash anyway.
SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'
    AND c.relname <> 'schema_migration' AND has_table_privilege(%(role)s, c.oid, 'SELECT')
GROUP BY c.relname ORDER BY c.relname;

-- name: relations
-- Whatever holds rows here, ours or not, but for what is forgotten in a crash anyway.
SELECT c.relname::text FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 'u'
ORDER BY c.relname;

-- name: foreign_keys
-- As they would be written.
SELECT c.relname::text, k.conname::text, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relnamespace = current_schema()::regnamespace
ORDER BY c.relname, k.conname;

-- name: audit_heads
-- Where each audit log ends, in the snapshot that is backed up.
SELECT organization_id, number, encode(hash, 'hex') FROM audit_head WHERE number > 0 ORDER BY organization_id;

-- name: hold_all
-- In the transaction that fills the database, so that no moment is without it.
UPDATE organization SET held_since = %(at)s::timestamptz, restored_at = %(at)s::timestamptz;

-- name: end_all_sessions
-- Some may have been ended after the backup, and whoever had them must not be signed in again.
UPDATE session SET ended_at = %(at)s::timestamptz WHERE ended_at IS NULL;

-- name: insert_restorations
-- The next epoch of each organization.
INSERT INTO restoration (organization_id, epoch, backup_id, taken_at, restored_at)
SELECT o.id, 2 + (SELECT count(*) FROM restoration r WHERE r.organization_id = o.id), %(backup_id)s::uuid,
       %(taken_at)s::timestamptz, %(at)s::timestamptz
FROM organization o;
