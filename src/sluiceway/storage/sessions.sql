-- name: insert_session
-- Its token is kept as a hash.
INSERT INTO session (organization_id, id, person_id, token_hash, created_at, seen_at, reauthenticated_at, is_complete,
                     user_agent, address, has_shown_factor)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(token_hash)s, %(at)s, %(at)s, %(at)s,
        %(is_complete)s, %(user_agent)s, %(address)s, %(has_shown_factor)s);

-- name: find_session
-- Asked with every request of the app: who it is, what they may do, and what they have to show besides a password.
SELECT s.id, s.created_at, s.seen_at, s.reauthenticated_at, s.is_complete, s.user_agent, s.address, s.challenge,
       s.challenge_at, s.has_shown_factor,
       EXISTS (SELECT FROM totp t WHERE t.organization_id = %(organization_id)s::uuid AND t.person_id = s.person_id
                   AND t.confirmed_at IS NOT NULL)
       OR EXISTS (SELECT FROM passkey k
                  WHERE k.organization_id = %(organization_id)s::uuid AND k.person_id = s.person_id),
       p.id, p.email, p.password_hash, p.role
FROM session s
JOIN person p ON p.organization_id = s.organization_id AND p.id = s.person_id
WHERE s.organization_id = %(organization_id)s::uuid AND s.token_hash = %(token_hash)s AND s.ended_at IS NULL
    AND p.removed_at IS NULL;

-- name: see_session
-- Not with every request: how long it has been idle need not be known to the second.
UPDATE session SET seen_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND seen_at < %(at)s;

-- name: replace_token
-- Whoever has shown more gets another token: one that was known before is good for nothing now.
UPDATE session SET token_hash = %(token_hash)s, is_complete = true, reauthenticated_at = %(at)s, seen_at = %(at)s,
                   challenge = NULL, challenge_at = NULL, has_shown_factor = has_shown_factor OR %(shows_factor)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND ended_at IS NULL;

-- name: show_factor
-- Whoever has just set up a factor has shown it. When the password was shown is as before.
UPDATE session SET token_hash = %(token_hash)s, has_shown_factor = true
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND ended_at IS NULL;

-- name: ask_session
-- Only the last challenge counts.
UPDATE session SET challenge = %(challenge)s, challenge_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND ended_at IS NULL;

-- name: end_challenge
-- Signed once, it is over.
UPDATE session SET challenge = NULL, challenge_at = NULL
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND challenge = %(challenge)s
RETURNING id;

-- name: end_session
-- One of a person's own, or their current one.
UPDATE session SET ended_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND person_id = %(person_id)s::uuid
    AND ended_at IS NULL;

-- name: end_sessions
-- All of a person's but one, or all: when a password changes, or a person goes.
UPDATE session SET ended_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid AND ended_at IS NULL
    AND (%(but)s::uuid IS NULL OR id <> %(but)s::uuid);

-- name: lock_person
-- Before their sessions are counted: of two that begin at one instant, the second counts the first. It comes before any of
-- their sessions is changed, as it does where a password is set, so that the two cannot lock each other out. Nobody is
-- found whose password has changed since it was looked at: a session that it opens would begin after all others have ended.
SELECT id FROM person
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND password_hash = %(password_hash)s
    AND removed_at IS NULL
ORDER BY id
FOR NO KEY UPDATE;

-- name: end_oldest_sessions
-- Of those that can still be used, as many stay as somebody may have. One that waits for a second factor is none: who
-- knows a password and no more could sign its owner out with it.
UPDATE session SET ended_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id IN (
    SELECT s.id FROM session s
    WHERE s.organization_id = %(organization_id)s::uuid AND s.person_id = %(person_id)s::uuid AND s.ended_at IS NULL
        AND s.is_complete AND s.seen_at > %(seen_after)s AND s.created_at > %(created_after)s
    ORDER BY s.id DESC OFFSET %(most)s);

-- name: list_sessions
-- Those that can still be used, newest first.
SELECT id, created_at, seen_at, user_agent, address FROM session
WHERE organization_id = %(organization_id)s::uuid AND person_id = %(person_id)s::uuid AND ended_at IS NULL
    AND is_complete AND seen_at > %(seen_after)s AND created_at > %(created_after)s
ORDER BY id DESC LIMIT 100;

-- name: count_attempt
-- Counted before anything is checked, so that many at once cannot be more than are allowed.
INSERT INTO sign_in_attempt AS a (key_hash, count, until)
VALUES (%(key_hash)s, 1, %(until)s)
ON CONFLICT (key_hash) DO UPDATE SET
    count = CASE WHEN a.until <= %(at)s THEN 1 ELSE a.count + 1 END,
    until = CASE WHEN a.until <= %(at)s THEN excluded.until ELSE a.until END
RETURNING count, until;

-- name: forget_attempts
-- Somebody has signed in.
DELETE FROM sign_in_attempt WHERE key_hash = %(key_hash)s;

-- name: uncount_attempts
-- It was the right one, so it was none of those that are counted.
UPDATE sign_in_attempt SET count = count - 1 WHERE key_hash = ANY (%(key_hashes)s::bytea[]) AND count > 0;

-- name: forget_old_attempts
-- What counts no more, now and then.
DELETE FROM sign_in_attempt WHERE until <= %(at)s;

-- name: insert_challenge
-- For somebody who is not known yet.
INSERT INTO sign_in_challenge (challenge_hash, until) VALUES (%(challenge_hash)s, %(until)s);

-- name: take_challenge
-- Whoever takes it first has it, and nobody after.
DELETE FROM sign_in_challenge WHERE challenge_hash = %(challenge_hash)s RETURNING until;

-- name: forget_old_challenges
-- What nobody has signed in time.
DELETE FROM sign_in_challenge WHERE until <= %(at)s;
