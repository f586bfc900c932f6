-- name: keep_test
-- No row where the rule has a test of this name: who reads a result by its name must not take one for the other.
INSERT INTO rule_test (organization_id, id, rule_id, name, example, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(rule_id)s::uuid, %(name)s, %(example)s::jsonb, %(created_at)s)
ON CONFLICT (organization_id, rule_id, name) DO NOTHING
RETURNING id;

-- name: delete_test
-- The only way in which a test changes: another one takes its place.
DELETE FROM rule_test
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND rule_id = %(rule_id)s::uuid
RETURNING id;

-- name: list_tests
-- Those of one rule, in the order in which they were kept; there are few.
SELECT id, name, example, created_at FROM rule_test
WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid
ORDER BY created_at, id;
