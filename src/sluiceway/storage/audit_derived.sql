-- More checks, in the form of audit.sql: what is kept a second time (days, limits, counts), what may come only once, and
-- what has to fit in time.

-- name: days_that_end_otherwise
-- I2, at every past point that is kept: a day ended with what had been posted by its end, the last one with what the
-- account holds, or, of an external account, with what its bank has reported.
WITH side AS (
    SELECT organization_id, credit_account_id AS account_id, (posted_at AT TIME ZONE 'UTC')::date AS day,
           sum(amount) AS moved
    FROM posting WHERE kind IN ('post', 'settle', 'reverse')
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT organization_id, debit_account_id, (posted_at AT TIME ZONE 'UTC')::date, -sum(amount)
    FROM posting WHERE kind IN ('post', 'settle', 'reverse')
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY 1, 2, 3
), moved AS (
    SELECT organization_id, account_id, day, sum(moved) AS moved FROM side GROUP BY 1, 2, 3
), ended AS (
    SELECT organization_id, account_id, day,
           sum(moved) OVER (PARTITION BY organization_id, account_id ORDER BY day) AS balance
    FROM moved
), told AS (
    SELECT coalesce(e.organization_id, d.organization_id) AS organization_id,
           coalesce(e.account_id, d.account_id) AS account_id, coalesce(e.day, d.day) AS day,
           e.balance AS expected, d.balance AS found
    FROM ended e
    FULL JOIN (SELECT * FROM account_day WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) d
        ON d.organization_id = e.organization_id AND d.account_id = e.account_id AND d.day = e.day
), wrong AS (
    SELECT t.organization_id, t.account_id, t.day, t.expected, t.found
    FROM told t
    JOIN account a ON a.organization_id = t.organization_id AND a.id = t.account_id
        AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
    WHERE a.kind IN ('POD', 'INCOME_SOURCE')
        AND (t.found IS DISTINCT FROM t.expected AND (t.expected IS NOT NULL OR t.found <> coalesce((
            SELECT e.balance FROM ended e
            WHERE e.organization_id = t.organization_id AND e.account_id = t.account_id AND e.day < t.day
            ORDER BY e.day DESC LIMIT 1), 0)))
    UNION ALL
    SELECT a.organization_id, a.id, d.day,
           CASE WHEN a.kind = 'EXTERNAL_ACCOUNT' THEN a.reported_balance ELSE a.posted END, d.balance
    FROM account a
    CROSS JOIN LATERAL (
        SELECT day, balance FROM account_day l WHERE l.organization_id = a.organization_id AND l.account_id = a.id
            AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s)
        ORDER BY day DESC LIMIT 1
    ) AS d
    WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
        AND d.balance IS DISTINCT FROM CASE WHEN a.kind = 'EXTERNAL_ACCOUNT' THEN a.reported_balance ELSE a.posted END
    UNION ALL
    SELECT d.organization_id, d.account_id, d.day, NULL, d.balance
    FROM account_day d
    LEFT JOIN account a ON a.organization_id = d.organization_id AND a.id = d.account_id
        AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
    WHERE a.id IS NULL AND (%(only)s::uuid IS NULL OR d.organization_id = %(only)s)
    UNION ALL
    SELECT organization_id, id, NULL, NULL, reported_balance FROM account
    WHERE kind <> 'EXTERNAL_ACCOUNT' AND reported_balance IS NOT NULL
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    UNION ALL
    SELECT d.organization_id, d.account_id, d.day, NULL, d.balance
    FROM account_day d
    JOIN (SELECT id, coalesce(frozen_at, %(now)s::timestamptz + clock_offset) AS now FROM organization
          WHERE (%(only)s::uuid IS NULL OR id = %(only)s)) o ON o.id = d.organization_id
    WHERE d.day > (o.now AT TIME ZONE 'UTC')::date + 1 AND (%(only)s::uuid IS NULL OR d.organization_id = %(only)s)
)
SELECT organization_id, account_id,
       format('%%s ended with %%s', day, coalesce(expected::text, 'nothing: it is to come')), format('with %%s', found),
       count(*) OVER ()
FROM wrong ORDER BY 1, 2, day LIMIT %(limit)s;

-- name: days_of_rules_that_miscount
-- What a rule moved and what came back of it on each day is what its transfers say.
WITH told AS (
    SELECT organization_id, day, rule_id, source_account_id, destination_account_id, moved, transfers, returned
    FROM rule_day WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    UNION ALL
    SELECT organization_id, (completed_at AT TIME ZONE 'UTC')::date, rule_id, source_account_id,
           destination_account_id, -sum(amount), -count(*), 0
    FROM transfer
    WHERE mode = 'LIVE' AND rule_id IS NOT NULL AND completed_at IS NOT NULL
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT organization_id, (returned_at AT TIME ZONE 'UTC')::date, rule_id, source_account_id,
           destination_account_id, 0, 0, -sum(amount)
    FROM transfer
    WHERE mode = 'LIVE' AND rule_id IS NOT NULL AND completed_at IS NOT NULL AND returned_at IS NOT NULL
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY 1, 2, 3, 4, 5
)
SELECT organization_id, rule_id, 'what its transfers moved from ' || source_account_id || ' to '
           || destination_account_id,
       format('%%s more, in %%s transfers, %%s returned', sum(moved), sum(transfers), sum(returned)), count(*) OVER ()
FROM told GROUP BY organization_id, rule_id, source_account_id, destination_account_id, day
HAVING sum(moved) <> 0 OR sum(transfers) <> 0 OR (sum(returned) <> 0)
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: ach_limits_that_miscount
-- What has been used of the limits for payments of banks is what was put on the list to hand over, by the banks' days.
WITH handed AS (
    SELECT l.organization_id, 'DEBIT' AS side, (l.created_at AT TIME ZONE 'America/New_York')::date AS day, l.amount
    FROM transfer_leg l
    WHERE l.sequence = 0 AND l.purpose = 'PULL' AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s)
    UNION ALL
    SELECT l.organization_id, 'CREDIT', (l.created_at AT TIME ZONE 'America/New_York')::date, l.amount
    FROM transfer_leg l
    JOIN transfer t ON t.organization_id = l.organization_id AND t.id = l.transfer_id
        AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
    JOIN account a ON a.organization_id = t.organization_id
        AND a.id = coalesce(t.staged_account_id, t.destination_account_id)
        AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
    WHERE l.sequence = 0 AND a.kind = 'EXTERNAL_ACCOUNT'
        AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s)
), told AS (
    SELECT organization_id, side, period, starts_on, amount, transfers FROM ach_used
    WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    UNION ALL
    SELECT organization_id, side, 'DAY', day, -amount, -1 FROM handed
    UNION ALL
    SELECT organization_id, side, 'MONTH', date_trunc('month', day)::date, -amount, -1 FROM handed
)
SELECT organization_id, organization_id, format('payments as of %%s, %%s, %%s', side, period, starts_on),
       format('%%s more in %%s payments', sum(amount), sum(transfers)), count(*) OVER ()
FROM told GROUP BY organization_id, side, period, starts_on HAVING sum(amount) <> 0 OR sum(transfers) <> 0
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: chains_of_rules_too_long
-- I17: at most 16 rules in a row and 64 from one event; each is one deeper than what has moved the money, and money that
-- arrives fires a rule once, and never the one that sent it.
WITH caused AS (
    SELECT e.organization_id, e.id, e.origin_id, e.depth, e.cause_transfer_id, e.rule_id, t.rule_id AS sender,
           c.depth AS before, c.origin_id AS origin_before,
           count(*) OVER (PARTITION BY e.organization_id, e.cause_transfer_id, e.rule_id) AS times,
           count(*) OVER (PARTITION BY e.organization_id, e.origin_id) AS of_origin
    FROM execution e
    LEFT JOIN transfer t ON t.organization_id = e.organization_id AND t.id = e.cause_transfer_id
        AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
    LEFT JOIN execution c ON c.organization_id = t.organization_id AND c.id = t.execution_id
        AND (%(only)s::uuid IS NULL OR c.organization_id = %(only)s)
    WHERE e.origin_id <> e.id AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
)
SELECT organization_id, id, 'fired once, by another rule, one deeper, at most 16 deep and 64 of one event',
       format('%%s times, %%s deep after %%s, %%s of one event', times, depth, coalesce(before, -1), of_origin),
       count(*) OVER ()
FROM caused
WHERE depth > 16 OR of_origin > 64 OR (cause_transfer_id IS NOT NULL AND (
    times > 1 OR sender = rule_id OR depth <> coalesce(before, -1) + 1 OR origin_before <> origin_id))
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: executions_unlike_their_counts
-- How a run stands follows from its counts, and when it ended from how it stands. What began and what ended it may have
-- been machines whose clocks differ: a minute is no violation.
SELECT organization_id, id,
       CASE WHEN pending > 0 OR due_at IS NOT NULL THEN 'IN_PROGRESS' WHEN failed = 0 THEN 'EXECUTED'
            WHEN completed > 0 THEN 'PARTIAL' ELSE 'FAILED' END || ', ended not before it began',
       format('%%s: %%s completed, %%s failed, %%s pending, finished %%s', status, completed, failed, pending,
              coalesce(finished_at::text, 'never')),
       count(*) OVER ()
FROM execution
WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s) AND (
    (status <> CASE WHEN pending > 0 OR due_at IS NOT NULL THEN 'IN_PROGRESS' WHEN failed = 0 THEN 'EXECUTED'
                    WHEN completed > 0 THEN 'PARTIAL' ELSE 'FAILED' END
        AND error_message IS NULL)
    OR (status = 'IN_PROGRESS') <> (finished_at IS NULL) 
        OR finished_at < created_at - interval '1 minute')
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: transfers_outside_their_approval
-- I9: a rule has moved nothing before a person had signed it, and nothing after that was revoked, but for a minute, by
-- which clocks of machines may differ.
SELECT t.organization_id, t.id,
       format('made from %%s on, until %%s', a.approved_at, coalesce(a.revoked_at::text, 'now')),
       t.created_at::text, count(*) OVER ()
FROM transfer t
JOIN execution e ON e.organization_id = t.organization_id AND e.id = t.execution_id
    AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
JOIN approval a ON a.organization_id = e.organization_id AND a.id = e.approval_id
    AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
WHERE t.mode = 'LIVE' AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
    AND (t.created_at < a.approved_at - interval '1 minute' OR t.created_at > a.revoked_at + interval '1 minute'
        OR t.rule_id IS DISTINCT FROM e.rule_id)
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: postings_below_floor
-- I3, at every commit: what was sent left no account below its floor, unless a bank had taken something back before.
-- And a posting stays in one currency, and its two sides in its organization.
SELECT p.organization_id, p.debit_account_id,
       format('at least %%s, in one currency', a.floor),
       format('%%s after a posting of %%s, from %%s to %%s', p.debit_after,
              coalesce(p.transfer_id, p.card_transaction_id), coalesce(a.currency, 'nowhere'), coalesce(c.currency, 'nowhere')),
       count(*) OVER ()
FROM posting p
LEFT JOIN account a ON a.organization_id = p.organization_id AND a.id = p.debit_account_id
    AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
LEFT JOIN account c ON c.organization_id = p.organization_id AND c.id = p.credit_account_id
    AND (%(only)s::uuid IS NULL OR c.organization_id = %(only)s)
WHERE (%(only)s::uuid IS NULL OR p.organization_id = %(only)s) AND (
    (a.currency = c.currency) IS NOT TRUE
    OR (p.kind IN ('post', 'settle') AND a.kind IN ('POD', 'INCOME_SOURCE') AND p.debit_after < a.floor
        AND NOT EXISTS (
            SELECT FROM posting r WHERE r.organization_id = p.organization_id AND r.debit_account_id = p.debit_account_id
                AND r.kind = 'reverse' AND (%(only)s::uuid IS NULL OR r.organization_id = %(only)s))))
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: answers_given_twice
-- I4: one effect answers one key. A run or transfer that was made is named in the answer, so two keys never have the
-- same one.
WITH answered AS (
    SELECT organization_id, scope, md5(answer) AS answer, count(*) AS times, min(key) AS key
    FROM idempotency
    WHERE status BETWEEN 200 AND 299 AND scope ~ '(trigger|transfers?|deposits?)$' AND octet_length(answer) > 20
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, scope, md5(answer) HAVING count(*) > 1
)
SELECT organization_id, organization_id, 'one key for each effect of ' || scope, times || ' keys, ' || key || ' first',
       count(*) OVER ()
FROM answered ORDER BY 1, 2 LIMIT %(limit)s;

-- name: events_that_do_not_fit
-- I13: a transfer is told to be new once, a run to have ended once; about what there is; and what was passed on has a
-- message for each endpoint that wanted it then and is still there.
WITH told AS (
    SELECT organization_id, kind, subject_id, count(*) AS times FROM outbox
    WHERE kind IN ('transfer.created', 'execution.finished', 'execution.failed', 'approval.requested')
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY 1, 2, 3
)
SELECT o.organization_id, o.subject_id, o.kind || ' once, of what there is', o.times || ' times', count(*) OVER ()
FROM told o
LEFT JOIN transfer t ON t.organization_id = o.organization_id AND t.id = o.subject_id
    AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
LEFT JOIN execution e ON e.organization_id = o.organization_id AND e.id = o.subject_id
    AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
WHERE o.times > 1 OR CASE WHEN o.kind LIKE 'execution.%%' THEN e.id IS NULL ELSE t.id IS NULL END
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: deliveries_that_do_not_fit
-- A message says what its event says, and as much as was tried: what has been delivered or given up has been tried.
-- What is pending for an endpoint that is there is due.
SELECT d.organization_id, d.id, 'a message of an event, tried as often as it says',
       format('%%s of %%s, %%s attempts, last %%s, error %%s', d.status, d.kind, d.attempts,
              coalesce(d.attempted_at::text, 'never'), coalesce(d.error, 'none')),
       count(*) OVER ()
FROM webhook_delivery d
LEFT JOIN outbox o ON o.organization_id = d.organization_id AND o.id = d.event_id
    AND (%(only)s::uuid IS NULL OR o.organization_id = %(only)s)
LEFT JOIN webhook_endpoint w ON w.organization_id = d.organization_id AND w.id = d.endpoint_id
    AND (%(only)s::uuid IS NULL OR w.organization_id = %(only)s)
WHERE (%(only)s::uuid IS NULL OR d.organization_id = %(only)s) AND (
    w.id IS NULL OR d.kind <> o.kind OR o.is_pending
    OR (d.attempts = 0) <> (d.attempted_at IS NULL) OR (d.status <> 'PENDING' AND d.attempts = 0)
    OR (d.status = 'DELIVERED' AND d.error IS NOT NULL)
    OR (d.status = 'PENDING' AND w.due_at IS NULL AND w.disabled_at IS NULL))
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: reports_that_were_not_made
-- I12, of the sandbox: what was applied has been reported, and what the cursor has passed has been applied; whoever has
-- something to fetch has a feed.
SELECT organization_id, organization_id, 'a report applied once it is passed, and a feed for each source', id,
       count(*) OVER ()
FROM (
    SELECT r.organization_id, 'applied, never reported: ' || r.id AS id
    FROM rail_report r
    JOIN organization o ON o.id = r.organization_id AND o.mode = 'sandbox'
        AND (%(only)s::uuid IS NULL OR o.id = %(only)s)
    LEFT JOIN bank_report b ON b.organization_id = r.organization_id AND b.id = r.id
        AND (%(only)s::uuid IS NULL OR b.organization_id = %(only)s)
    WHERE b.id IS NULL AND (%(only)s::uuid IS NULL OR r.organization_id = %(only)s)
    UNION ALL
    SELECT b.organization_id, 'reported and passed, never applied: ' || b.id
    FROM bank_report b
    JOIN feed f ON f.organization_id = b.organization_id AND f.subject_id = b.organization_id
        AND f.cursor ~ '^[0-9]{1,18}$' AND b.number <= f.cursor::bigint
        AND (%(only)s::uuid IS NULL OR f.organization_id = %(only)s)
    LEFT JOIN rail_report r ON r.organization_id = b.organization_id AND r.id = b.id
        AND (%(only)s::uuid IS NULL OR r.organization_id = %(only)s)
    WHERE r.id IS NULL AND (%(only)s::uuid IS NULL OR b.organization_id = %(only)s)
    UNION ALL
    SELECT b.organization_id, 'accounts at a bank that has no book of ' || b.organization_id
    FROM bank_account b
    LEFT JOIN bank_book k ON k.organization_id = b.organization_id
        AND (%(only)s::uuid IS NULL OR k.organization_id = %(only)s)
    WHERE k.organization_id IS NULL AND (%(only)s::uuid IS NULL OR b.organization_id = %(only)s)
    UNION ALL
    SELECT o.id, 'no feed of ' || o.id
    FROM organization o
    LEFT JOIN feed f ON f.organization_id = o.id AND f.subject_id = o.id
        AND (%(only)s::uuid IS NULL OR f.organization_id = %(only)s)
    WHERE f.subject_id IS NULL AND (%(only)s::uuid IS NULL OR o.id = %(only)s)
        AND EXISTS (SELECT FROM transfer_leg l WHERE l.organization_id = o.id
                        AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s))
) AS wrong
ORDER BY 1, 4 LIMIT %(limit)s;

-- name: legs_unlike_their_status
-- A leg was handed over before it settled, has ended when it is over, and says why exactly when it failed.
SELECT organization_id, transfer_id, 'what a leg is that is ' || status,
       format('submitted %%s, settled %%s, ended %%s, error %%s, return %%s', submitted_at, settled_at, ended_at,
              error_code, return_code),
       count(*) OVER ()
FROM transfer_leg
WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s) AND (
    (status = 'RETURNED') <> (return_code IS NOT NULL)
    OR (status <> 'REFUSED' AND error_code IS NOT NULL)
    OR (status IN ('RETURNED', 'REFUSED', 'CANCELLED')) <> (ended_at IS NOT NULL)
    OR (status = 'SETTLED' AND settled_at IS NULL) OR (status IN ('PROCESSING', 'PENDING') AND settled_at IS NOT NULL)
    OR (status = 'PENDING' AND submitted_at IS NULL) OR (status = 'PROCESSING' AND submitted_at IS NOT NULL))
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: transfers_marked_wrongly
-- What came back was taken back by a bank; who decided did so at some time, and what waits for it is not decided.
SELECT t.organization_id, t.id, 'a return of a leg, and a time for who decided',
       format('%%s, returned %%s with %%s, decided by %%s at %%s', t.status, t.returned_at, t.return_code, t.decided_by,
              t.decided_at),
       count(*) OVER ()
FROM transfer t
WHERE (%(only)s::uuid IS NULL OR t.organization_id = %(only)s) AND (
    (t.decided_by IS NOT NULL AND t.decided_at IS NULL) OR (t.decided_at IS NOT NULL AND t.approval_expires_at IS NULL)
    OR (t.decided_at IS NOT NULL AND t.status = 'PENDING_APPROVAL')
    OR ((t.returned_at IS NOT NULL OR t.return_code IS NOT NULL) AND NOT EXISTS (
        SELECT FROM transfer_leg l WHERE l.organization_id = t.organization_id AND l.transfer_id = t.id
            AND l.status = 'RETURNED' AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s))))
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: holds_without_a_restore
-- An organization says that it was restored, and is held, exactly as its last restore says.
SELECT o.id, o.id, format('restored at %%s, released at %%s', r.restored_at, r.released_at),
       format('restored at %%s, held since %%s', o.restored_at, o.held_since), count(*) OVER ()
FROM organization o
LEFT JOIN LATERAL (
    SELECT restored_at, released_at, epoch, count(*) OVER () AS times FROM restoration
    WHERE organization_id = o.id AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    ORDER BY epoch DESC LIMIT 1
) AS r ON true
WHERE (%(only)s::uuid IS NULL OR o.id = %(only)s) AND (
    r.epoch <> r.times + 1 OR o.restored_at IS DISTINCT FROM r.restored_at
    OR (o.held_since IS NOT NULL) <> (r.restored_at IS NOT NULL AND r.released_at IS NULL))
ORDER BY 1 LIMIT %(limit)s;

-- name: transfers_unlike_their_trace
-- I10, of the last day's runs: what the trace says that each action moved is what the run's transfers are about. Those
-- that never left, for lack of funds or of an amount, have moved nothing. What waited for a person is told elsewhere.
WITH told AS (
    SELECT e.organization_id, e.id,
           (SELECT coalesce(sum((a.value ->> 7)::bigint), 0)
            FROM json_array_elements(e.trace -> 1) AS a (value) WHERE a.value ->> 4 = 'moved') AS moved
    FROM execution e
    WHERE e.mode = 'LIVE' AND e.trace IS NOT NULL AND e.due_at IS NULL AND e.id >= %(day_id)s::uuid
        AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
), made AS (
    SELECT t.organization_id, t.execution_id, bool_or(t.approval_expires_at IS NOT NULL) AS has_waited,
           coalesce(sum(t.amount) FILTER (WHERE t.status NOT IN ('INCOMPLETE', 'ERROR') OR EXISTS (
               SELECT FROM transfer_leg l WHERE l.organization_id = t.organization_id AND l.transfer_id = t.id
                   AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s))), 0) AS amount
    FROM transfer t
    WHERE t.mode = 'LIVE' AND t.execution_id IS NOT NULL AND t.id >= %(day_id)s::uuid
        AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
    GROUP BY t.organization_id, t.execution_id
)
SELECT o.organization_id, o.id, format('%%s moved, as its trace says', o.moved), coalesce(m.amount, 0)::text,
       count(*) OVER ()
FROM told o
LEFT JOIN made m ON m.organization_id = o.organization_id AND m.execution_id = o.id
WHERE o.moved <> coalesce(m.amount, 0) AND m.has_waited IS NOT TRUE
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: amounts_nobody_asked_for
-- I10: a remote service was asked only for what an action of the run's rule can ask.
SELECT r.organization_id, r.execution_id, 'an answer for an action of the rule',
       format('for step %%s, action %%s', r.step, r.action), count(*) OVER ()
FROM remote_amount r
LEFT JOIN execution e ON e.organization_id = r.organization_id AND e.id = r.execution_id
    AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
LEFT JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
    AND (%(only)s::uuid IS NULL OR v.organization_id = %(only)s)
WHERE (%(only)s::uuid IS NULL OR r.organization_id = %(only)s)
    AND v.definition -> 'steps' -> r.step::int -> 'actions' -> r.action::int IS NULL
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: times_to_come
-- I18: nothing has happened after now, by the organization's clock.
SELECT organization_id, id, 'not after ' || now::text, what || ' at ' || at::text, count(*) OVER ()
FROM (
    SELECT t.organization_id, t.id, 'a transfer' AS what, greatest(t.created_at, t.completed_at) AS at, o.now
    FROM transfer t
    JOIN (SELECT id, coalesce(frozen_at, %(now)s::timestamptz + clock_offset) AS now FROM organization
          WHERE (%(only)s::uuid IS NULL OR id = %(only)s)) o ON o.id = t.organization_id
    WHERE (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
        AND greatest(t.created_at, t.completed_at, t.returned_at, t.decided_at) > o.now + interval '10 s'
    UNION ALL
    SELECT p.organization_id, coalesce(p.transfer_id, p.card_transaction_id), 'a posting', p.posted_at, o.now
    FROM posting p
    JOIN (SELECT id, coalesce(frozen_at, %(now)s::timestamptz + clock_offset) AS now FROM organization
          WHERE (%(only)s::uuid IS NULL OR id = %(only)s)) o ON o.id = p.organization_id
    WHERE (%(only)s::uuid IS NULL OR p.organization_id = %(only)s) AND p.posted_at > o.now + interval '10 s'
) AS late
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: transactions_left_open
-- I19: nobody holds a transaction open and does nothing, beyond any deadline of ours.
SELECT '00000000-0000-0000-0000-000000000000'::uuid, '00000000-0000-0000-0000-000000000000'::uuid,
       'no transaction that stands still', format('process %%s since %%s', pid, state_change), count(*) OVER ()
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%%'
    AND state_change < clock_timestamp() - interval '60 s' AND %(only)s::uuid IS NOT DISTINCT FROM %(only)s::uuid
ORDER BY 4 LIMIT %(limit)s;
