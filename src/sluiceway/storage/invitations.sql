-- name: insert_invitation
-- Its token is kept as a hash.
INSERT INTO invitation (organization_id, id, email, role, token_hash, invited_by, created_at, expires_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(email)s, %(role)s, %(token_hash)s, %(invited_by)s::uuid,
        %(created_at)s, %(expires_at)s);

-- name: find_invitation
-- By its token; whether it can still be accepted is for others to say.
SELECT id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at FROM invitation
WHERE organization_id = %(organization_id)s::uuid AND token_hash = %(token_hash)s;

-- name: accept_invitation
-- Whoever is first; nobody after.
UPDATE invitation SET accepted_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND accepted_at IS NULL AND revoked_at IS NULL
    AND expires_at > %(at)s
RETURNING id;

-- name: revoke_invitation
-- Only while it can still be accepted.
UPDATE invitation SET revoked_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND accepted_at IS NULL AND revoked_at IS NULL
RETURNING id;

-- name: revoke_invitations_to
-- A new one to the same address replaces those before.
UPDATE invitation SET revoked_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND email = %(email)s AND accepted_at IS NULL AND revoked_at IS NULL;

-- name: revoke_invitations_by
-- Somebody who is removed, or no admin any more, invites nobody.
UPDATE invitation SET revoked_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND invited_by = %(invited_by)s::uuid AND accepted_at IS NULL
    AND revoked_at IS NULL;

-- name: list_invitations
-- Those that can still be accepted, newest first.
SELECT id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at FROM invitation
WHERE organization_id = %(organization_id)s::uuid AND accepted_at IS NULL AND revoked_at IS NULL
    AND expires_at > %(at)s
ORDER BY id DESC LIMIT 100;
