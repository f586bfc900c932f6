-- The audit goes on by itself: seals of what was committed, how far each organization has been looked at, and the stop
-- of an organization's money for a violation. Locks: the new columns have no default, so nothing is rewritten.
--
-- A seal keeps one 64-bit hash for each row (or for each part of a row that is written once) of one stretch of one
-- table. What is missing from it later was changed or deleted; what has come since was committed late, and is no lie
-- by itself.

-- of: what is sealed. from_key, to_key: the stretch, without its first key and with its last. hash: of the seal itself.
CREATE TABLE audit_seal (
    organization_id uuid NOT NULL REFERENCES organization,
    of text NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    from_key text NOT NULL,
    to_key text NOT NULL,
    hashes bigint[] NOT NULL,
    batches bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (organization_id, of, number)
);
-- Hashes do not get smaller.
ALTER TABLE audit_seal ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- How far an organization has been looked at. batches, link: up to where its log has been found whole. seals: how many
-- there are of each kind. hash: of this row.
CREATE TABLE audit_look (
    organization_id uuid PRIMARY KEY REFERENCES organization,
    looked_at timestamptz NOT NULL,
    verified_to timestamptz NOT NULL,
    full_at timestamptz NOT NULL,
    batches bigint NOT NULL,
    link bytea NOT NULL,
    seals jsonb NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    violations bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL
) WITH (fillfactor = 50);

-- stopped_for: which promise was found broken, and on what, in words.
ALTER TABLE organization ADD COLUMN stopped_at timestamptz;
ALTER TABLE organization ADD COLUMN stopped_for text;
ALTER TABLE organization ADD CONSTRAINT stopped_for_a_reason CHECK ((stopped_at IS NULL) = (stopped_for IS NULL));

GRANT SELECT, INSERT, UPDATE ON audit_seal, audit_look TO sluiceway_app;
