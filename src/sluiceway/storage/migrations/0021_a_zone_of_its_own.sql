-- The time zone in which people of an organization read times: a name of the IANA database. Nothing runs by it. Locks: the
-- column has a constant default, so nothing is rewritten.
ALTER TABLE organization ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC';

DO $$
BEGIN
    IF to_regclass('pg_dist_partition') IS NULL THEN
        GRANT UPDATE (time_zone) ON organization TO sluiceway_app;
    END IF;
END $$;
