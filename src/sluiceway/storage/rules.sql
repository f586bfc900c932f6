-- name: rule_states
-- What admission and settlement must know of each rule: its present revision, and the approval it stands under.
SELECT r.organization_id, r.id, r.revision, r.fingerprint, r.approval_id, r.deleted_at IS NOT NULL
FROM rule r
JOIN unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS wanted (organization_id, id)
    ON r.organization_id = wanted.organization_id AND r.id = wanted.id
WHERE (%(only)s::uuid IS NULL OR r.organization_id = %(only)s);

-- name: revisions
-- Immutable, so callers keep what they have read.
SELECT v.organization_id, v.rule_id, v.revision, v.definition, v.fingerprint
FROM rule_revision v
JOIN unnest(%(organization_ids)s::uuid[], %(rule_ids)s::uuid[], %(revisions)s::integer[])
    AS wanted (organization_id, rule_id, revision)
    ON v.organization_id = wanted.organization_id AND v.rule_id = wanted.rule_id AND v.revision = wanted.revision
WHERE (%(only)s::uuid IS NULL OR v.organization_id = %(only)s);

-- name: rules_fired_by_funds
-- The enabled incoming-funds rules of accounts, in the order in which they run.
SELECT r.organization_id, r.trigger_account_id, r.id, r.revision, r.fingerprint, r.approval_id
FROM rule r
JOIN unnest(%(organization_ids)s::uuid[], %(account_ids)s::uuid[]) AS wanted (organization_id, account_id)
    ON r.organization_id = wanted.organization_id AND r.trigger_account_id = wanted.account_id
WHERE (%(only)s::uuid IS NULL OR r.organization_id = %(only)s)
    AND r.trigger_type = 'ON_FUNDS_TRANSFERRED' AND r.approval_id IS NOT NULL
ORDER BY r.organization_id, r.trigger_account_id, r.position, r.id;

-- name: insert_rule
-- Always disabled: only an approval enables a rule. After those that there are: a maximum has a row where it
-- finds none.
INSERT INTO rule (organization_id, id, revision, fingerprint, trigger_type, trigger_account_id, source_account_id,
                  position, secret, created_at, updated_at)
SELECT %(organization_id)s::uuid, %(id)s::uuid, %(revision)s::integer, %(fingerprint)s::bytea, %(trigger_type)s::text,
       %(trigger_account_id)s::uuid, %(source_account_id)s::uuid, coalesce(max(position), 0) + 1, %(secret)s::text,
       %(at)s::timestamptz, %(at)s::timestamptz
FROM rule WHERE organization_id = %(organization_id)s::uuid;

-- name: insert_revision
-- Never changed afterwards; a person signs its fingerprint.
INSERT INTO rule_revision (organization_id, rule_id, revision, definition, fingerprint, created_at)
VALUES (%(organization_id)s::uuid, %(rule_id)s::uuid, %(revision)s, %(definition)s::jsonb, %(fingerprint)s, %(at)s);

-- name: rule_secret
-- What a remote service checks our questions with. Rules from before there were secrets get theirs when first needed.
UPDATE rule SET secret = coalesce(secret, %(secret)s)
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid
RETURNING secret;

-- name: revise_rule
-- A new revision is a disabled rule.
UPDATE rule SET revision = %(revision)s, fingerprint = %(fingerprint)s, approval_id = NULL, next_fire_at = NULL,
                next_nominal = NULL,
                trigger_type = %(trigger_type)s, trigger_account_id = %(trigger_account_id)s::uuid,
                source_account_id = %(source_account_id)s::uuid, updated_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: set_aside
-- What the editor keeps beside the rule. No revision has it.
UPDATE rule SET set_aside = %(parts)s::jsonb
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: set_aside_of
-- For the editor alone.
SELECT set_aside FROM rule WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: insert_approval
-- Who enabled which revision, and when.
INSERT INTO approval (organization_id, id, rule_id, revision, fingerprint, person_id, approved_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(rule_id)s::uuid, %(revision)s, %(fingerprint)s,
        %(person_id)s::uuid, %(at)s);

-- name: revoke_approvals
-- An edit, disabling and deletion end whatever approval the rule had.
UPDATE approval SET revoked_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid AND revoked_at IS NULL;

-- name: enable_rule
-- The foreign key holds the approval to this very revision. From now on its schedule fires.
UPDATE rule SET approval_id = %(approval_id)s::uuid, next_fire_at = %(next_fire_at)s::timestamptz,
                next_nominal = %(next_nominal)s::timestamp, updated_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: disable_rule
-- With `is_deleted`, softly deleted as well: executions keep pointing at it.
UPDATE rule SET approval_id = NULL, next_fire_at = NULL, next_nominal = NULL, updated_at = %(at)s,
                deleted_at = CASE WHEN %(is_deleted)s::boolean THEN %(at)s::timestamptz ELSE deleted_at END
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: find_rule
-- One rule at its present revision, deleted or not.
SELECT r.organization_id, r.id, r.revision, r.fingerprint, r.approval_id, r.position, v.definition,
       r.created_at, r.updated_at, r.deleted_at
FROM rule r
JOIN rule_revision v ON v.organization_id = r.organization_id AND v.rule_id = r.id AND v.revision = r.revision
WHERE r.organization_id = %(organization_id)s::uuid AND r.id = %(id)s::uuid;

-- name: list_rules
-- Newest first, walking the primary key.
SELECT r.organization_id, r.id, r.revision, r.fingerprint, r.approval_id, r.position, v.definition,
       r.created_at, r.updated_at, r.deleted_at
FROM rule r
JOIN rule_revision v ON v.organization_id = r.organization_id AND v.rule_id = r.id AND v.revision = r.revision
WHERE r.organization_id = %(organization_id)s::uuid
    AND r.deleted_at IS NULL
    AND (%(source_id)s::uuid IS NULL OR r.source_account_id = %(source_id)s::uuid)
    AND (%(only_enabled)s::boolean IS FALSE OR r.approval_id IS NOT NULL)
    AND (%(ids)s::uuid[] IS NULL OR r.id = ANY (%(ids)s::uuid[]))
    AND r.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY r.id DESC
LIMIT %(limit)s OFFSET %(offset)s;
