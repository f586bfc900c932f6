-- An answer is always looked up by its key. Young tables have no statistics, all indexes of one look alike, and the one
-- made last is taken: then each look-up read every answer of its organization, until the first ANALYZE.
-- Locks: no key can be claimed while the index is built, about a second for a million answers.

-- Every row is in it, but only a statement that says so can use it.
CREATE INDEX idempotency_to_forget ON idempotency (organization_id, created_at) WHERE created_at > '-infinity';
DROP INDEX idempotency_by_age;
