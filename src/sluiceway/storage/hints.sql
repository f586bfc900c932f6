-- name: hint
-- Whoever listens may look at once for what is due. Nothing depends on it: who misses it looks a moment later. So it
-- does not wait for the disk either, as a commit otherwise would that tells anybody anything.
SELECT set_config('synchronous_commit', 'off', true), pg_notify('sluiceway_due', '');
