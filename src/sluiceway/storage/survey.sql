-- What `sluiceway doctor` asks of a database. Each kind of thing on its own: spread over machines, one statement counts
-- one table of all of them.

-- name: server
-- Without a table, so that it can be asked of a database that has none yet. Who connects, and as whom we work.
SELECT current_setting('server_version'), clock_timestamp(), session_user::text, current_user::text,
       (SELECT rolsuper FROM pg_roles WHERE rolname = session_user),
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s),
       EXISTS (SELECT FROM pg_roles WHERE rolname = %(reading)s AND pg_has_role(session_user, oid, 'MEMBER')),
       EXISTS (SELECT FROM pg_class
               WHERE oid = to_regclass('schema_migration') AND pg_has_role(session_user, relowner, 'MEMBER')),
       current_setting('data_checksums') = 'on', current_setting('max_connections')::integer,
       pg_database_size(current_database()), inet_server_addr() IS NOT NULL,
       (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
       to_regclass('schema_migration') IS NOT NULL, to_regclass('worker_heartbeat') IS NOT NULL;

-- name: applied
-- By its owner's name for each: which of them are missing is for whoever knows what there should be.
SELECT version, name, sha256 FROM schema_migration ORDER BY version;

-- name: rights
-- What our role must not be able to do: change what happened.
SELECT t.name, p.privilege
FROM unnest(ARRAY['posting', 'transfer', 'approval', 'rule_revision', 'audit_batch', 'audit_entry']) AS t (name)
CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
WHERE has_table_privilege(current_user, t.name, p.privilege);

-- name: beats
-- One row for each process that settles.
SELECT extract(epoch FROM clock_timestamp() - beat_at)::float8 FROM worker_heartbeat ORDER BY beat_at DESC;

-- name: keys
-- Live ones: how many, and how many that may call as often as they like.
SELECT count(*), count(*) FILTER (WHERE calls_per_minute IS NULL) FROM api_key WHERE revoked_at IS NULL;

-- name: signing_secrets
-- What webhooks are signed with, whsec_ and base64: shorter than 38 letters, sealed than 109, is less than 24 bytes.
SELECT count(*), count(*) FILTER (WHERE length(secret) < 109) FROM webhook_endpoint WHERE disabled_at IS NULL;

-- name: admins
-- Who may enable rules, and whose password is kept in a way that we no longer make.
SELECT organization_id, id, starts_with(password_hash, '$argon2id$') FROM person
WHERE removed_at IS NULL AND role = 'ADMIN';

-- name: one_time_codes
-- Who shows a one-time code beside a password.
SELECT organization_id, person_id FROM totp WHERE confirmed_at IS NOT NULL;

-- name: passkeys
-- Who shows a passkey, for each that they have.
SELECT organization_id, person_id FROM passkey;
