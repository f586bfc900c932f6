-- name: find_totp
-- Confirmed or not.
SELECT secret, confirmed_at, last_step FROM totp
WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid;

-- name: begin_totp
-- Whoever begins anew has another secret; one that is confirmed is not replaced behind its owner's back.
INSERT INTO totp AS t (organization_id, person_id, secret, created_at)
VALUES (%(organization_id)s::uuid, %(person_id)s::uuid, %(secret)s, %(at)s)
ON CONFLICT (organization_id, person_id) DO UPDATE
SET secret = excluded.secret, created_at = excluded.created_at, last_step = 0
WHERE t.confirmed_at IS NULL
RETURNING person_id;

-- name: take_totp_step
-- A code is good once: its step of time must be later than that of the last one.
UPDATE totp SET last_step = %(step)s, confirmed_at = coalesce(confirmed_at, %(at)s)
WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid AND last_step < %(step)s
RETURNING person_id;

-- name: delete_totp
-- With it go the recovery codes.
DELETE FROM totp WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid;

-- name: insert_recovery_codes
-- Kept as hashes.
INSERT INTO recovery_code (organization_id, person_id, code_hash)
SELECT %(organization_id)s::uuid, %(person_id)s::uuid, w.code_hash FROM unnest(%(code_hashes)s::bytea[]) AS w (code_hash);

-- name: delete_recovery_codes
-- New ones replace all old ones.
DELETE FROM recovery_code WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid;

-- name: use_recovery_code
-- Each is good once.
UPDATE recovery_code SET used_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid AND code_hash = %(code_hash)s
    AND used_at IS NULL
RETURNING person_id;

-- name: find_factors
-- How a person signs in besides the password.
SELECT EXISTS (SELECT FROM totp WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid
                   AND confirmed_at IS NOT NULL),
       (SELECT count(*) FROM passkey
        WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid),
       (SELECT count(*) FROM recovery_code
        WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid AND used_at IS NULL);

-- name: insert_passkey
-- Its private half never leaves where it was made.
INSERT INTO passkey (organization_id, id, person_id, credential_id, public_key, sign_count, transports, name, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(credential_id)s, %(public_key)s,
        %(sign_count)s, %(transports)s::text[], %(name)s, %(at)s);

-- name: find_passkey
-- By the id that the authenticator gave it, with its owner, if they can still sign in.
SELECT k.id, k.credential_id, k.public_key, k.sign_count, k.transports, k.name, k.created_at, k.used_at,
       p.id, p.email, p.password_hash, p.role
FROM passkey k
JOIN person p ON p.organization_id = k.organization_id AND p.id = k.person_id
WHERE k.organization_id = %(organization_id)s::uuid AND k.credential_id = %(credential_id)s AND p.removed_at IS NULL;

-- name: list_passkeys
-- A person's, the first one first.
SELECT id, credential_id, public_key, sign_count, transports, name, created_at, used_at FROM passkey
WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid ORDER BY id;

-- name: use_passkey
-- An authenticator that counts never counts backwards, or it is a copy.
UPDATE passkey SET sign_count = %(sign_count)s, used_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid
    AND (sign_count < %(sign_count)s OR (sign_count = 0 AND %(sign_count)s = 0))
RETURNING id;

-- name: delete_passkey
-- One of a person's own.
DELETE FROM passkey
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND person_id = %(person_id)s::uuid
RETURNING id;

-- name: delete_passkeys
-- All of somebody's who is removed.
DELETE FROM passkey WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid;
