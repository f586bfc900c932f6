-- Hold: what is restored from a backup moves nothing before a person has released it, since nobody knows what it has
-- already sent. Locks: two new columns without a default, which take the lock of organization for a moment, as every
-- other ALTER TABLE; the new tables touch nobody.

-- held_since: nothing moves. restored_at: when this organization was last restored, released or not: what belongs to
-- the time before may have been done already.
ALTER TABLE organization ADD COLUMN held_since timestamptz;
ALTER TABLE organization ADD COLUMN restored_at timestamptz;

-- Each restore begins an epoch of the organization's audit log, the first one being the log's own beginning.
-- taken_at: the moment of the backup. is_recorded: the log has it.
CREATE TABLE restoration (
    organization_id uuid NOT NULL REFERENCES organization,
    epoch integer NOT NULL CHECK (epoch >= 2),
    backup_id uuid NOT NULL,
    taken_at timestamptz NOT NULL,
    restored_at timestamptz NOT NULL,
    is_recorded boolean NOT NULL DEFAULT false,
    released_at timestamptz,
    released_by text,
    PRIMARY KEY (organization_id, epoch),
    CONSTRAINT released_by_somebody CHECK ((released_at IS NULL) = (released_by IS NULL))
);

-- Events from before a restore that came again after it: what they set off may have been sent already, so each of it
-- waits for a person.
CREATE TABLE restored_origin (
    organization_id uuid NOT NULL REFERENCES organization,
    origin_id uuid NOT NULL,
    PRIMARY KEY (organization_id, origin_id)
);

GRANT SELECT, INSERT, UPDATE ON restoration TO sluiceway_app;
GRANT SELECT, INSERT ON restored_origin TO sluiceway_app;
