-- name: hint
-- Whoever listens may look at once for what is due. Nothing depends on it: who misses it looks a moment later.
SELECT pg_notify('sluiceway_due', '');
