-- name: find_tokens
-- Before the organization is known.
SELECT t.secret_hash, t.organization_id, t.id, o.remote_api_enabled_at IS NOT NULL
FROM access_token t JOIN organization o ON o.id = t.organization_id
WHERE t.secret_hash = ANY (%(secret_hashes)s::bytea[]) AND t.revoked_at IS NULL;

-- name: find_rule_secrets
-- As for tokens.
SELECT s.secret_hash, s.organization_id, s.id, o.remote_api_enabled_at IS NOT NULL, s.rule_id
FROM rule_secret s JOIN organization o ON o.id = s.organization_id
WHERE s.secret_hash = ANY (%(secret_hashes)s::bytea[]) AND s.revoked_at IS NULL;

-- name: accounts_of_token
-- Which accounts a beneficiary has changes, so they are looked up each time.
SELECT a.id
FROM access_token t
JOIN account a ON a.organization_id = t.organization_id AND a.beneficiary_name IS NOT DISTINCT FROM t.beneficiary_name
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = %(id)s::uuid
    AND a.kind NOT IN ('WORLD', 'CLEARING') AND a.deleted_at IS NULL;

-- name: set_enabled
-- One switch for all credentials of an organization.
UPDATE organization SET remote_api_enabled_at = %(at)s::timestamptz WHERE id = %(id)s::uuid;

-- name: enabled_at
-- For whoever runs the server; requests learn it with their credential.
SELECT remote_api_enabled_at FROM organization WHERE id = %(id)s::uuid;

-- name: insert_token
-- Whose accounts it sees never changes.
INSERT INTO access_token (organization_id, id, beneficiary_name, name, secret_hash, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(beneficiary_name)s, %(name)s, %(secret_hash)s, %(at)s);

-- name: insert_rule_secrets
-- Which rule one runs never changes. A rule may have several, so that one can be replaced while it is in use.
INSERT INTO rule_secret (organization_id, id, rule_id, secret_hash, created_at)
SELECT %(organization_id)s::uuid, w.id, w.rule_id, w.secret_hash, %(at)s
FROM unnest(%(ids)s::uuid[], %(rule_ids)s::uuid[], %(secret_hashes)s::bytea[]) AS w (id, rule_id, secret_hash);

-- name: revoke_token
-- Revoking twice keeps the first time.
UPDATE access_token SET revoked_at = coalesce(revoked_at, %(at)s)
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: revoke_rule_secret
-- Revoking twice keeps the first time.
UPDATE rule_secret SET revoked_at = coalesce(revoked_at, %(at)s)
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: list_tokens
-- Newest first, revoked ones too: who could see what, and since when no more.
SELECT organization_id, id, beneficiary_name, name, created_at, revoked_at FROM access_token
WHERE organization_id = %(organization_id)s::uuid ORDER BY id DESC;

-- name: list_rule_secrets
-- As for tokens, with the name that the rule has now.
SELECT s.organization_id, s.id, s.rule_id, v.definition ->> 'name', s.created_at, s.revoked_at
FROM rule_secret s
JOIN rule r ON r.organization_id = s.organization_id AND r.id = s.rule_id
JOIN rule_revision v ON v.organization_id = r.organization_id AND v.rule_id = r.id AND v.revision = r.revision
WHERE s.organization_id = %(organization_id)s::uuid ORDER BY s.id DESC;
