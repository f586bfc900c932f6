-- Foreign keys cost a look-up for each row. Two of them kept nothing that others do not: a live execution names its rule
-- through its approval, and an answer is only ever found by whoever knows its organization.
-- Locks: each table for a moment.

ALTER TABLE execution DROP CONSTRAINT execution_organization_id_rule_id_fkey;
ALTER TABLE idempotency DROP CONSTRAINT idempotency_organization_id_fkey;
