-- The audit log: who did what, in batches that are chained by their hashes. Locks: none that matter, every table is new.
--
-- A batch is what one transaction has recorded. Its hash is made of the hash before, its number and a digest of its
-- entries, so that whoever changes, drops, moves or adds one afterwards breaks the chain. Entries and batches have no
-- foreign key: at thousands of calls a second it would cost more than the rest of the row, and the audit looks anyway.

-- The end of each organization's chain, and the lock under which it grows: always the last one that a transaction takes.
CREATE TABLE audit_head (
    organization_id uuid PRIMARY KEY REFERENCES organization,
    number bigint NOT NULL CHECK (number >= 0),
    entries bigint NOT NULL CHECK (entries >= 0),
    hash bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO audit_head (organization_id, number, entries, hash)
SELECT id, 0, 0, sha256(uuid_send(id)) FROM organization;

CREATE TABLE audit_batch (
    organization_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    entries integer NOT NULL CHECK (entries >= 1),
    digest bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (organization_id, number)
);

-- at: by the real time, whatever the organization's clock says. actor_id: a key, token, secret or person.
CREATE TABLE audit_entry (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    batch bigint NOT NULL,
    position integer NOT NULL,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('API_KEY', 'ACCESS_TOKEN', 'RULE_SECRET', 'PERSON', 'OPERATOR')),
    actor_id uuid,
    action text NOT NULL,
    subject_id uuid,
    path text,
    request_id text,
    reason text,
    outcome text NOT NULL CHECK (outcome IN ('SUCCESS', 'FAILURE')),
    error_code text,
    is_replay boolean NOT NULL,
    CONSTRAINT failures_have_a_code CHECK ((outcome = 'FAILURE') = (error_code IS NOT NULL)),
    CONSTRAINT operators_have_no_id CHECK ((actor_kind = 'OPERATOR') = (actor_id IS NULL))
);
-- Lists walk them: everything, one actor's, one action's, the newest first.
CREATE INDEX audit_entry_of_action ON audit_entry (organization_id, action, id DESC);
CREATE INDEX audit_entry_of_actor ON audit_entry (organization_id, actor_id, id DESC);
ALTER TABLE audit_entry ADD PRIMARY KEY (organization_id, id);

-- Append-only: the application's role may add to the log and read it, nothing else.
GRANT SELECT, INSERT ON audit_entry, audit_batch TO sluiceway_app;
GRANT SELECT, INSERT, UPDATE ON audit_head TO sluiceway_app;
