-- Statements that Citus refuses, each under what is to be said of it: `one` for those of an organization, `all` for
-- those that read every one's rows. A complaint of `nothing` belongs to a statement that is right.

-- one: organization of account
SELECT id FROM account WHERE id = %(id)s::uuid FOR UPDATE;

-- one: organization of account a
SELECT a.id FROM account a
JOIN unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS w (organization_id, id)
    ON a.organization_id = w.organization_id AND a.id = w.id;

-- one: organization of account a
SELECT t.id FROM transfer t JOIN account a ON a.id = t.source_account_id
WHERE t.organization_id = %(organization_id)s::uuid FOR NO KEY UPDATE OF t;

-- one: organization of posting p
SELECT t.id, (SELECT count(*) FROM posting p WHERE p.organization_id = t.organization_id) FROM transfer t
WHERE t.organization_id = %(organization_id)s::uuid;

-- one: nothing
SELECT t.id, a.name FROM transfer t
LEFT JOIN account a ON a.organization_id = t.organization_id AND a.id = t.source_account_id
WHERE t.organization_id = ANY (%(organization_ids)s::uuid[]) AND a.organization_id = ANY (%(organization_ids)s::uuid[])
ORDER BY t.id FOR NO KEY UPDATE OF t SKIP LOCKED;

-- one: organization of account
UPDATE account SET name = %(name)s WHERE id = %(id)s::uuid;

-- one: organization of outbox
DELETE FROM outbox WHERE id = %(id)s::uuid;

-- one: organization of account b
UPDATE account a SET posted = 0 FROM account b
WHERE a.organization_id = %(organization_id)s::uuid AND b.id = a.linked_account_id;

-- one: moves a row
UPDATE account SET organization_id = %(id)s::uuid WHERE organization_id = %(organization_id)s::uuid;

-- one: says of none whose it is
INSERT INTO outbox (id, kind, subject_id, created_at)
VALUES (%(id)s::uuid, 'x', %(id)s::uuid, %(at)s::timestamptz);

-- one: volatile
UPDATE account SET posted = (random() * 100)::bigint WHERE organization_id = %(organization_id)s::uuid;

-- one: volatile
INSERT INTO outbox (organization_id, id, kind, subject_id, created_at)
SELECT %(organization_id)s::uuid, gen_random_uuid(), 'x', %(id)s::uuid, %(at)s::timestamptz;

-- one: stable function with a column
UPDATE account SET reported_at = created_at + %(wait)s::interval WHERE organization_id = %(organization_id)s::uuid;

-- one: stable function with a column
UPDATE execution SET transfer_ids = w.ids::uuid[] FROM unnest(%(texts)s::text[]) AS w (ids)
WHERE organization_id = %(organization_id)s::uuid;

-- one: stable function with a column
DELETE FROM outbox WHERE organization_id = %(organization_id)s::uuid AND created_at + %(wait)s::interval < %(now)s;

-- one: CASE or COALESCE
UPDATE account SET reported_at = coalesce(reported_at, now()) WHERE organization_id = %(organization_id)s::uuid;

-- one: returns what
UPDATE account SET posted = 0 WHERE organization_id = %(organization_id)s::uuid
RETURNING created_at + %(wait)s::interval;

-- one: sub-query within an INSERT
INSERT INTO idempotency AS i (organization_id, scope, key, body_hash, status, answer, created_at)
VALUES (%(organization_id)s::uuid, 'x', 'x', 'x', 1, 'x', %(at)s::timestamptz)
ON CONFLICT (organization_id, scope, key) DO UPDATE SET status = (SELECT count(*) FROM unnest(%(ids)s::uuid[]));

-- one: sub-query within an INSERT
INSERT INTO rule_revision (organization_id, rule_id, revision, definition, fingerprint, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid,
        (SELECT max(revision) FROM rule WHERE organization_id = %(organization_id)s::uuid), '1', 'x',
        %(at)s::timestamptz);

-- one: not immutable in ON CONFLICT
INSERT INTO idempotency AS i (organization_id, scope, key, body_hash, status, answer, created_at)
VALUES (%(organization_id)s::uuid, 'x', 'x', 'x', 1, 'x', %(at)s::timestamptz)
ON CONFLICT (organization_id, scope, key) DO UPDATE SET created_at = now();

-- one: moves a row to another organization
INSERT INTO outbox AS o (organization_id, id, kind, subject_id, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, 'x', %(id)s::uuid, %(at)s::timestamptz)
ON CONFLICT (organization_id, id) DO UPDATE SET organization_id = excluded.organization_id;

-- one: changes rows in a WITH
WITH gone AS (DELETE FROM outbox WHERE organization_id = %(organization_id)s::uuid RETURNING id) SELECT id FROM gone;

-- one: only one has
UPDATE api_key k SET name = o.name FROM organization o
WHERE o.id = k.organization_id AND o.id = %(organization_id)s::uuid;

-- one: coordinator's own tables
UPDATE account SET name = 'x' WHERE organization_id = %(organization_id)s::uuid AND EXISTS (SELECT FROM call_bucket);

-- one: nothing
DELETE FROM call_bucket WHERE secret_hash = ANY (%(hashes)s::bytea[]);

-- one: is a MERGE
MERGE INTO account a USING unnest(%(ids)s::uuid[]) AS w (id)
ON a.organization_id = %(organization_id)s::uuid AND a.id = w.id WHEN MATCHED THEN DELETE;

-- all: more than EXISTS
SELECT o.id FROM organization o
CROSS JOIN LATERAL (
    SELECT e.id FROM execution e WHERE e.organization_id = o.id AND e.due_at <= %(now)s ORDER BY e.due_at LIMIT 1
) AS first;

-- all: more than EXISTS
SELECT o.id, (SELECT max(e.due_at) FROM execution e WHERE e.organization_id = o.id) FROM organization o;

-- all: joins organizations with each other
SELECT o.id FROM organization o WHERE EXISTS (SELECT FROM execution e WHERE e.due_at <= o.created_at);

-- all: joins organizations with each other
SELECT a.id FROM account a JOIN transfer t ON t.source_account_id = a.id;

-- all: nothing
SELECT o.id FROM organization o WHERE EXISTS (
    SELECT FROM execution e WHERE e.organization_id = o.id AND e.due_at <= o.created_at + %(wait)s::interval
);

-- all: locks rows of all organizations
SELECT id FROM organization ORDER BY id FOR NO KEY UPDATE;

-- all: changes rows of all organizations
UPDATE organization SET name = 'x';

-- all: unites
SELECT id FROM account UNION ALL SELECT id FROM transfer;

-- all: windowClause
SELECT id, count(*) OVER () FROM account;

-- all: limitCount
SELECT id FROM organization LIMIT 1;

-- all: a function beside all organizations
SELECT a.id FROM account a JOIN unnest(%(ids)s::uuid[]) AS w (id) ON a.id = w.id;
