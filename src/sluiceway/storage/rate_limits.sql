-- name: take_calls
-- Asked with every batch of calls, before the organization is known: which credentials are live now, so that a revoked
-- one is refused at once everywhere, and how many of the calls with each are within its limit. One statement, by the
-- server's clock, on rows in order: exact however many processes ask, and nobody asks twice. What it costs is written
-- with whole microseconds, rounded up, so that no limit is ever exceeded. A bucket that would be full again only a
-- minute later than an empty one, longer than any statement waits, is of a clock that was set back: it is empty.
WITH live AS (
    SELECT w.secret_hash, w.calls, c.calls_per_minute, (60000000 + c.calls_per_minute - 1) / c.calls_per_minute AS each,
           (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now
    FROM unnest(%(secret_hashes)s::bytea[], %(calls)s::integer[]) AS w (secret_hash, calls)
    JOIN (
        SELECT secret_hash, calls_per_minute FROM api_key WHERE revoked_at IS NULL
        UNION ALL SELECT secret_hash, calls_per_minute FROM access_token WHERE revoked_at IS NULL
        UNION ALL SELECT secret_hash, calls_per_minute FROM rule_secret WHERE revoked_at IS NULL
    ) AS c ON c.secret_hash = w.secret_hash
), taken AS (
    INSERT INTO call_bucket AS b (secret_hash, free_at, granted)
    SELECT secret_hash, now + least(calls, calls_per_minute) * each, least(calls, calls_per_minute)
    FROM live WHERE calls_per_minute IS NOT NULL ORDER BY secret_hash
    ON CONFLICT (secret_hash) DO UPDATE SET (free_at, granted) = (
        SELECT used + fits * l.each, fits
        FROM live l,
             LATERAL (
                 SELECT CASE WHEN b.free_at > l.now + 2 * l.calls_per_minute * l.each
                     THEN l.now + l.calls_per_minute * l.each ELSE greatest(b.free_at, l.now) END
             ) AS u (used),
             greatest(0, least(excluded.granted, (l.now + l.calls_per_minute * l.each - used) / l.each)) AS fits
        WHERE l.secret_hash = excluded.secret_hash
    )
    RETURNING secret_hash, free_at, granted
)
SELECT l.secret_hash, l.calls_per_minute, l.each, t.granted, t.free_at - l.now
FROM live l LEFT JOIN taken t ON t.secret_hash = l.secret_hash;

-- name: fill_buckets
-- A bucket that is not there is full.
DELETE FROM call_bucket WHERE secret_hash = ANY (%(secret_hashes)s::bytea[]);
