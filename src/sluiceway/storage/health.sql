-- name: beat
-- By the server's clock, so that machines whose clocks differ agree on how long ago it was.
INSERT INTO worker_heartbeat AS h (worker_id, began_at, beat_at)
VALUES (%(worker_id)s::uuid, clock_timestamp(), clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE SET beat_at = excluded.beat_at
RETURNING beat_at;

-- name: forget_workers
-- The one that ends, and those that were killed long ago: their rows would stay for ever.
DELETE FROM worker_heartbeat
WHERE worker_id = %(worker_id)s::uuid OR beat_at < clock_timestamp() - interval '1 hour'
RETURNING worker_id;

-- name: standing
-- All that a server has to know of the database to say whether it is ready, in one round trip.
SELECT ARRAY(SELECT sha256 FROM schema_migration ORDER BY version),
       (SELECT extract(epoch FROM clock_timestamp() - max(beat_at))::float8 FROM worker_heartbeat);
