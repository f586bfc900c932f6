-- What need not be kept for ever can go: answers to idempotency keys, what simulations found, who looked at what.
-- Locks: the new columns have no default, so nothing is rewritten. The new indexes and constraints read their tables
-- once, under lock: nine seconds with ten million transfers and what belongs to them.

-- The oldest answers, which are forgotten first. There is no index without a price: this one is 1 us of each claim.
CREATE INDEX idempotency_by_age ON idempotency (organization_id, created_at);
GRANT DELETE ON idempotency TO sluiceway_app;

-- Simulations with something to forget. Live rows are in neither index, so they pay nothing.
CREATE INDEX execution_simulated ON execution (organization_id, id) WHERE mode = 'SIMULATION' AND trace IS NOT NULL;
CREATE INDEX transfer_simulated ON transfer (organization_id, id) WHERE mode = 'SIMULATION' AND execution_id IS NULL;
-- What has moved anything is held by its postings and legs, whose foreign keys do not let it go.
GRANT DELETE ON transfer TO sluiceway_app;

-- Of a batch of reads alone: the ids between which its entries are and their own digest. Its `digest` is made of the
-- three, so that they prove what the batch was when its entries have been cut.
ALTER TABLE audit_batch
    ADD COLUMN first_id uuid,
    ADD COLUMN last_id uuid,
    ADD COLUMN entries_digest bytea,
    ADD COLUMN cut_at timestamptz,
    ADD CONSTRAINT reads_say_where_they_are CHECK (num_nonnulls(first_id, last_id, entries_digest) IN (0, 3)),
    ADD CONSTRAINT only_reads_are_cut CHECK (cut_at IS NULL OR first_id IS NOT NULL);
CREATE INDEX audit_batch_to_cut ON audit_batch (organization_id, last_id) WHERE last_id IS NOT NULL AND cut_at IS NULL;
GRANT UPDATE (cut_at) ON audit_batch TO sluiceway_app;
GRANT DELETE ON audit_entry TO sluiceway_app;

-- What loses as many rows as it gets: the oldest are at the left of an index, where what has gone is stepped over again
-- and again until it is vacuumed.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE webhook_delivery SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE idempotency SET (autovacuum_vacuum_scale_factor = 0.05);
