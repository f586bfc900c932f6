-- name: find_keys
-- Before the organization is known. What keys may do never changes, so callers keep what they have read.
SELECT secret_hash, organization_id, id, grants, approval_above FROM api_key
WHERE secret_hash = ANY (%(secret_hashes)s::bytea[]);

-- name: insert_key
-- Grants never change after this.
INSERT INTO api_key (organization_id, id, name, secret_hash, grants, approval_above, calls_per_minute, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(name)s, %(secret_hash)s, %(grants)s::jsonb, %(approval_above)s,
        %(calls_per_minute)s, %(at)s);

-- name: revoke_key
-- Revoking twice keeps the first time.
UPDATE api_key SET revoked_at = coalesce(revoked_at, %(at)s)
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: set_calls_per_minute
-- The one thing about a key that may change; its next call goes by it, in every process, with a bucket that is full.
UPDATE api_key SET calls_per_minute = %(calls_per_minute)s::integer
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid
RETURNING secret_hash;

-- name: list_keys
-- Newest first, revoked ones too: who could do what, and since when no more.
SELECT organization_id, id, name, grants, created_at, revoked_at, approval_above, calls_per_minute FROM api_key
WHERE organization_id = %(organization_id)s::uuid ORDER BY id DESC;

-- name: insert_person
-- The password is kept as an argon2id hash.
INSERT INTO person (organization_id, id, email, password_hash, role, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(email)s, %(password_hash)s, %(role)s, %(at)s);

-- name: find_people
-- By e-mail, however it is written; one person may belong to several organizations.
SELECT organization_id, id, email, password_hash, role FROM person
WHERE lower(email) = lower(%(email)s) AND removed_at IS NULL ORDER BY organization_id;

-- name: is_anybody_there
-- Whether there is still everything to set up.
SELECT id FROM person WHERE removed_at IS NULL;

-- name: set_password
-- Whoever runs the server may replace a password that was lost.
UPDATE person SET password_hash = %(password_hash)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: list_people
-- The organization's, oldest first, with what is known of how they sign in.
SELECT p.id, p.email, p.role, p.created_at,
       (SELECT max(s.seen_at) FROM session s WHERE s.organization_id = %(organization_id)s::uuid AND s.person_id = p.id),
       EXISTS (SELECT FROM totp t
               WHERE t.organization_id = %(organization_id)s::uuid AND t.person_id = p.id AND t.confirmed_at IS NOT NULL),
       (SELECT count(*) FROM passkey k WHERE k.organization_id = %(organization_id)s::uuid AND k.person_id = p.id)
FROM person p
WHERE p.organization_id = %(organization_id)s::uuid AND p.removed_at IS NULL ORDER BY p.id;

-- name: find_person
-- Somebody who has been removed too: they may be invited again.
SELECT organization_id, id, email, password_hash, role, removed_at FROM person
WHERE organization_id = %(organization_id)s::uuid AND (id = %(id)s::uuid OR lower(email) = lower(%(email)s));

-- name: set_role
-- Inside the gate, where it has been seen that an admin is left.
UPDATE person SET role = %(role)s WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: remove_person
-- Inside the gate. The row stays: it says who has approved what.
UPDATE person SET removed_at = %(at)s WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: restore_person
-- Invited again, with another password.
UPDATE person SET removed_at = NULL, role = %(role)s, password_hash = %(password_hash)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: admins
-- Inside the gate: so many there are.
SELECT id FROM person
WHERE organization_id = %(organization_id)s::uuid AND role = 'ADMIN' AND removed_at IS NULL;
