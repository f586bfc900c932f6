-- name: insert_head
-- Every organization's log begins with its own name.
INSERT INTO audit_head (organization_id, number, entries, hash)
VALUES (%(organization_id)s::uuid, 0, 0, %(hash)s::bytea);

-- name: move_heads
-- Under the last lock that a transaction takes: whoever waits for it is waited for by nobody. Heads in order. The chain
-- is made here, of the head as it is once it is ours.
INSERT INTO audit_head AS h (organization_id, number, entries, digest, hash)
SELECT a.organization_id, 1, a.entries, a.digest,
       sha256(sha256(uuid_send(a.organization_id)) || int8send(1) || a.digest)
FROM unnest(%(organization_ids)s::uuid[], %(counts)s::integer[], %(digests)s::bytea[])
    AS a (organization_id, entries, digest)
ORDER BY a.organization_id
ON CONFLICT (organization_id) DO UPDATE SET
    number = h.number + 1, entries = h.entries + excluded.entries, digest = excluded.digest,
    hash = sha256(h.hash || int8send(h.number + 1) || excluded.digest);

-- name: insert_batches
-- Each organization's, as its head says now.
INSERT INTO audit_batch (organization_id, number, entries, digest, hash, first_id, last_id, entries_digest)
SELECT h.organization_id, h.number, a.entries, h.digest, h.hash, a.first_id, a.last_id, a.entries_digest
FROM unnest(%(organization_ids)s::uuid[], %(counts)s::integer[], %(first_ids)s::uuid[], %(last_ids)s::uuid[],
            %(entries_digests)s::bytea[]) AS a (organization_id, entries, first_id, last_id, entries_digest)
JOIN audit_head h ON h.organization_id = a.organization_id
WHERE h.organization_id = ANY (%(organization_ids)s::uuid[]);

-- name: insert_entries
-- In the batch that is the last one now.
INSERT INTO audit_entry (organization_id, id, batch, position, at, actor_kind, actor_id, action, subject_id, path,
                         request_id, reason, outcome, error_code, is_replay)
SELECT h.organization_id, e.id, h.number, e.position, e.at, e.actor_kind, e.actor_id, e.action, e.subject_id, e.path,
       e.request_id, e.reason, e.outcome, e.error_code, e.is_replay
FROM unnest(%(entry_organization_ids)s::uuid[], %(ids)s::uuid[], %(positions)s::integer[], %(ats)s::timestamptz[],
            %(actor_kinds)s::text[], %(actor_ids)s::uuid[], %(actions)s::text[], %(subject_ids)s::uuid[],
            %(paths)s::text[], %(request_ids)s::text[], %(reasons)s::text[], %(outcomes)s::text[],
            %(error_codes)s::text[], %(are_replays)s::boolean[])
    AS e (organization_id, id, position, at, actor_kind, actor_id, action, subject_id, path, request_id, reason,
          outcome, error_code, is_replay)
JOIN audit_head h ON h.organization_id = e.organization_id
WHERE h.organization_id = ANY (%(organization_ids)s::uuid[]);

-- name: list_entries
-- Newest first. Ids are in the order of real time, so a span of time is a stretch of each index, here a second wider
-- than asked for: an entry's id is made a moment before its time is read. One of the three walks its index, of an actor,
-- an action, or everything; no single condition would make a plan for any values choose among them.
SELECT e.id, e.at, e.organization_id, e.actor_kind, e.actor_id, e.action, e.subject_id, e.path, e.request_id, e.reason,
       e.outcome, e.error_code, e.is_replay, coalesce(k.name, t.name, p.email)
FROM (
    (SELECT * FROM audit_entry f
     WHERE f.organization_id = %(organization_id)s::uuid AND f.actor_id = %(actor_id)s::uuid
         AND (%(action)s::text IS NULL OR f.action = %(action)s)
         AND (%(actor_kind)s::text IS NULL OR f.actor_kind = %(actor_kind)s)
         AND f.id >= coalesce(%(from_id)s::uuid, '00000000-0000-0000-0000-000000000000')
         AND f.id < coalesce(%(to_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
         AND (%(from_at)s::timestamptz IS NULL OR f.at >= %(from_at)s)
         AND (%(to_at)s::timestamptz IS NULL OR f.at <= %(to_at)s)
     ORDER BY f.id DESC LIMIT %(limit)s::bigint + %(offset)s::bigint)
    UNION ALL
    (SELECT * FROM audit_entry f
     WHERE f.organization_id = %(organization_id)s::uuid AND %(actor_id)s::uuid IS NULL
         AND f.action = %(action)s
         AND (%(actor_kind)s::text IS NULL OR f.actor_kind = %(actor_kind)s)
         AND f.id >= coalesce(%(from_id)s::uuid, '00000000-0000-0000-0000-000000000000')
         AND f.id < coalesce(%(to_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
         AND (%(from_at)s::timestamptz IS NULL OR f.at >= %(from_at)s)
         AND (%(to_at)s::timestamptz IS NULL OR f.at <= %(to_at)s)
     ORDER BY f.id DESC LIMIT %(limit)s::bigint + %(offset)s::bigint)
    UNION ALL
    (SELECT * FROM audit_entry f
     WHERE f.organization_id = %(organization_id)s::uuid AND %(actor_id)s::uuid IS NULL
         AND %(action)s::text IS NULL
         AND (%(actor_kind)s::text IS NULL OR f.actor_kind = %(actor_kind)s)
         AND f.id >= coalesce(%(from_id)s::uuid, '00000000-0000-0000-0000-000000000000')
         AND f.id < coalesce(%(to_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
         AND (%(from_at)s::timestamptz IS NULL OR f.at >= %(from_at)s)
         AND (%(to_at)s::timestamptz IS NULL OR f.at <= %(to_at)s)
     ORDER BY f.id DESC LIMIT %(limit)s::bigint + %(offset)s::bigint)
) AS e
LEFT JOIN api_key k ON e.actor_kind = 'API_KEY' AND k.organization_id = e.organization_id AND k.id = e.actor_id
LEFT JOIN access_token t
    ON e.actor_kind = 'ACCESS_TOKEN' AND t.organization_id = e.organization_id AND t.id = e.actor_id
LEFT JOIN person p
    ON e.actor_kind = 'PERSON' AND p.organization_id = %(organization_id)s::uuid AND p.id = e.actor_id
ORDER BY e.id DESC OFFSET %(offset)s LIMIT %(limit)s;

-- name: every_entry
-- For the audit: each batch with its entries, and entries of which there is no batch. A time that no program can read
-- is shown as another one, which is found out like any other change.
SELECT coalesce(b.organization_id, e.organization_id), coalesce(b.number, e.batch), b.entries, b.digest, b.hash,
       b.first_id, b.last_id, b.entries_digest, b.cut_at IS NOT NULL,
       e.position, e.id, greatest('0001-01-02Z', least(e.at, '9999-12-30Z')), e.organization_id, e.actor_kind,
       e.actor_id, e.action, e.subject_id, e.path, e.request_id, e.reason, e.outcome, e.error_code, e.is_replay
FROM (SELECT * FROM audit_batch WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) b
FULL JOIN (SELECT * FROM audit_entry WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) e
    ON e.organization_id = b.organization_id AND e.batch = b.number
ORDER BY 1, 2, e.position, e.id;

-- name: heads
-- For the audit: where each organization's chain ends. All of them have one.
SELECT coalesce(o.id, h.organization_id), h.number, h.entries, h.hash
FROM (SELECT * FROM organization WHERE (%(only)s::uuid IS NULL OR id = %(only)s)) o
FULL JOIN (SELECT * FROM audit_head WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) h
    ON h.organization_id = o.id
ORDER BY 1;
