-- name: insert_remote_amounts
-- Recorded before use. Whoever was first is right: nobody asks twice for the same execution and action.
INSERT INTO remote_amount (organization_id, execution_id, step, action, amount, problem, answered_at)
VALUES (%(organization_id)s::uuid, %(execution_id)s::uuid, %(step)s, %(action)s, %(amount)s, %(problem)s, %(at)s)
ON CONFLICT DO NOTHING;

-- name: remote_amounts
-- What the remote services of these executions have answered.
SELECT a.organization_id, a.execution_id, a.step, a.action, a.amount, a.problem
FROM remote_amount a
JOIN unnest(%(organization_ids)s::uuid[], %(execution_ids)s::uuid[]) AS w (organization_id, execution_id)
    ON a.organization_id = w.organization_id AND a.execution_id = w.execution_id
WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s);
