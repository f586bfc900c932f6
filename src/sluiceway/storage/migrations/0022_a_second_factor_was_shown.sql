-- Whether a session has shown more than a password. Where the server asks everybody for a second factor, only such a one
-- is good for anything; of those that there are already it is not known, so they have not. Locks: the column has a
-- constant default, so nothing is rewritten.
ALTER TABLE session ADD COLUMN has_shown_factor boolean NOT NULL DEFAULT false;

DO $$
BEGIN
    IF to_regclass('pg_dist_partition') IS NULL THEN
        GRANT UPDATE (has_shown_factor) ON session TO sluiceway_app;
    END IF;
END $$;
