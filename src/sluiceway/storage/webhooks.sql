-- name: insert_endpoint
-- From now on the events of the organization are pending until they have been passed on.
INSERT INTO webhook_endpoint (organization_id, id, url, events, secret, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(url)s, %(events)s::text[], %(secret)s, %(at)s);

-- name: list_endpoints
-- All of them, or one, oldest first.
SELECT id, url, events, created_at, disabled_at, disabled_because, failing_since, due_at,
       CASE WHEN previous_secret_until > %(now)s THEN previous_secret_until END
FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND (%(id)s::uuid IS NULL OR id = %(id)s::uuid)
ORDER BY id;

-- name: lock_endpoints
-- Enabled ones (all, or one), while events are passed on to them: one worker at a time, so that none does what another
-- is doing, and no message is made for an endpoint that has been disabled.
SELECT id, events FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND disabled_at IS NULL
    AND (%(id)s::uuid IS NULL OR id = %(id)s::uuid)
ORDER BY id
FOR NO KEY UPDATE;

-- name: lock_secret
-- Of two who renew it, the second one's old secret is the first one's new one.
SELECT secret FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid
ORDER BY id
FOR NO KEY UPDATE;

-- name: rotate_secret
-- The one from before signs too for a while; one that was still older does not any more.
UPDATE webhook_endpoint SET previous_secret = %(previous_secret)s, previous_secret_until = %(until)s, secret = %(secret)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: disable_endpoint
-- What is pending stays, for when it is enabled again. Whoever disabled it first is right about why.
UPDATE webhook_endpoint SET disabled_at = %(at)s, disabled_because = %(because)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND disabled_at IS NULL;

-- name: enable_endpoint
-- It begins anew: what is pending is due at once.
UPDATE webhook_endpoint SET disabled_at = NULL, disabled_because = NULL, failing_since = NULL, due_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND disabled_at IS NOT NULL;

-- name: insert_deliveries
-- Once for each event and endpoint. Told again, it is the same delivery with the same id, from its first attempt on.
INSERT INTO webhook_delivery (organization_id, id, endpoint_id, event_id, kind, body, created_at)
SELECT %(organization_id)s::uuid, w.id, w.endpoint_id, w.event_id, w.kind, w.body, %(at)s
FROM unnest(%(ids)s::uuid[], %(endpoint_ids)s::uuid[], %(event_ids)s::uuid[], %(kinds)s::text[], %(bodies)s::text[])
    AS w (id, endpoint_id, event_id, kind, body)
ON CONFLICT (organization_id, endpoint_id, event_id)
    DO UPDATE SET status = 'PENDING', attempts = 0 WHERE %(is_again)s::boolean;

-- name: hurry_endpoints
-- Something waits for them. One that waits for its next try keeps waiting, unless a person wants it now.
UPDATE webhook_endpoint SET due_at = CASE WHEN %(is_again)s::boolean THEN %(at)s ELSE coalesce(due_at, %(at)s) END
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: organizations_with_events
-- Who has events to pass on.
SELECT o.id FROM organization o
WHERE o.held_since IS NULL
    AND EXISTS (SELECT FROM outbox e WHERE e.organization_id = o.id AND e.is_pending);

-- name: organizations_with_messages
-- Who has an endpoint for which something is due and that nobody is at.
SELECT o.id FROM organization o
WHERE o.held_since IS NULL AND EXISTS (
    SELECT FROM webhook_endpoint w
    WHERE w.organization_id = o.id AND w.disabled_at IS NULL AND w.due_at <= %(now)s
        AND (w.leased_until IS NULL OR w.leased_until <= %(now)s)
);

-- name: claim_endpoints
-- A lease and a new fencing token: messages to one endpoint go out one after the other, whoever sends them.
WITH chosen AS (
    SELECT id FROM webhook_endpoint
    WHERE organization_id = %(organization_id)s::uuid AND disabled_at IS NULL AND due_at <= %(now)s
        AND (leased_until IS NULL OR leased_until <= %(now)s)
    ORDER BY due_at, id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhook_endpoint w SET leased_until = %(leased_until)s, fence = w.fence + 1
FROM chosen
WHERE w.organization_id = %(organization_id)s::uuid AND w.id = chosen.id
RETURNING w.id, w.url, w.secret, CASE WHEN w.previous_secret_until > %(now)s THEN w.previous_secret END, w.fence,
          w.failing_since, true;

-- name: hold_endpoint
-- Still ours? Only then may the answer be written. With the secrets as they are by now.
SELECT id, url, secret, CASE WHEN previous_secret_until > %(now)s THEN previous_secret END, fence, failing_since,
       disabled_at IS NULL
FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence = %(fence)s
ORDER BY id
FOR NO KEY UPDATE;

-- name: next_delivery
-- In order of the events: the next one waits while an earlier one is tried again.
SELECT id, event_id, body, attempts FROM webhook_delivery
WHERE organization_id = %(organization_id)s::uuid AND endpoint_id = %(endpoint_id)s::uuid AND status = 'PENDING'
ORDER BY event_id LIMIT 1;

-- name: end_attempt
-- What the log shows of an attempt: its count, its time, and how it went.
UPDATE webhook_delivery SET status = %(status)s, attempts = %(attempts)s, attempted_at = %(at)s, error = %(error)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: keep_endpoint
-- The lease goes on with the next message (due now), or ends: due again at some time, or when there is something.
UPDATE webhook_endpoint SET due_at = %(due_at)s::timestamptz, leased_until = %(leased_until)s::timestamptz,
    failing_since = %(failing_since)s::timestamptz
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: list_deliveries
-- The log, newest first along the primary key. `is_failing`: those whose last attempt failed, given up or not.
-- An end for the first page, and not IS NULL OR: the index starts at the id even in a plan for any values.
SELECT id, endpoint_id, event_id, kind, status, attempts, created_at, attempted_at, error, body FROM webhook_delivery
WHERE organization_id = %(organization_id)s::uuid
    AND (%(endpoint_id)s::uuid IS NULL OR endpoint_id = %(endpoint_id)s::uuid)
    AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND (NOT %(is_failing)s::boolean OR error IS NOT NULL)
ORDER BY id DESC LIMIT %(limit)s;

-- name: find_delivery
-- One of the log.
SELECT id, endpoint_id, event_id, kind, status, attempts, created_at, attempted_at, error, body FROM webhook_delivery
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: send_again
-- The same message with the same id, from its first attempt on.
UPDATE webhook_delivery SET status = 'PENDING', attempts = 0
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: transfers_to_tell
-- What a message says of a transfer: no names, no account numbers.
SELECT t.id, t.status, t.amount, coalesce(s.currency, d.currency), t.direction, t.mode, t.source_account_id,
       t.destination_account_id, t.execution_id, t.rule_id, t.error_code, t.return_code
FROM transfer t
LEFT JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = t.organization_id AND d.id = t.destination_account_id
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = ANY (%(ids)s::uuid[]);

-- name: executions_to_tell
-- What a message says of an execution.
SELECT id, status, mode, rule_id, revision, trigger_type, conditions_not_met, completed, failed, pending
FROM execution
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: rules_to_tell
-- What a message says of a rule.
SELECT id, revision, approval_id IS NOT NULL FROM rule
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: accounts_to_tell
-- What a message says of an account.
SELECT id, kind, currency FROM account
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: endpoints_to_tell
-- What a message to one endpoint says of another.
SELECT id, disabled_because FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);
