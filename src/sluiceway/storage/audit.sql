-- Each check gives its counter-examples (organization, id, expected, found), at most `limit` of them, each with the
-- number of all. They look at everything in one snapshot: of all organizations, or of `only` one, where they are spread
-- over machines and no snapshot reaches further. Then a table is asked for that one's rows wherever it is named.

-- name: take_room
-- For this transaction only: reading everything needs time and memory.
SELECT set_config('work_mem', '128MB', true), set_config('statement_timeout', %(timeout)s, true);

-- name: examined
-- How much there is to look at.
SELECT (SELECT count(*) FROM (SELECT DISTINCT organization_id, currency FROM account
                              WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) c),
       (SELECT count(*) FROM account WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM posting WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM transfer WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM execution WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM rule WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM rule_revision WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM cap_used WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM transfer_leg WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM bank_payment WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM bank_entry WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM execution
        WHERE nominal IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM card_transaction
        WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM account_day WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM rule_day WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM idempotency WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM outbox WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM webhook_delivery WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)),
       (SELECT count(*) FROM rail_report WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s));

-- name: sums_that_are_not_zero
-- Every cent that is in an account came out of another one, the world included.
SELECT organization_id, currency, '0', sum(posted)::text, count(*) OVER ()
FROM account WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
GROUP BY organization_id, currency HAVING sum(posted) <> 0
ORDER BY organization_id, currency LIMIT %(limit)s;

-- name: balances_without_their_postings
-- A balance is the sum of the account's postings, and what is held is the sum of its holds that have not ended.
WITH side AS (
    SELECT organization_id, debit_account_id AS account_id,
           -sum(amount) FILTER (WHERE kind IN ('post', 'settle', 'reverse')) AS posted,
           coalesce(sum(amount) FILTER (WHERE kind = 'hold'), 0)
               - coalesce(sum(amount) FILTER (WHERE kind IN ('release', 'settle')), 0) AS held
    FROM posting WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, debit_account_id
    UNION ALL
    SELECT organization_id, credit_account_id, sum(amount) FILTER (WHERE kind IN ('post', 'settle', 'reverse')), 0
    FROM posting WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, credit_account_id
), moved AS (
    SELECT organization_id, account_id, coalesce(sum(posted), 0) AS posted, sum(held) AS held
    FROM side GROUP BY organization_id, account_id
)
SELECT a.organization_id, a.id, format('%%s posted, %%s held', coalesce(m.posted, 0), coalesce(m.held, 0)),
       format('%%s posted, %%s held', a.posted, a.held_out), count(*) OVER ()
FROM account a
LEFT JOIN moved m ON m.organization_id = a.organization_id AND m.account_id = a.id
WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
    AND a.kind <> 'EXTERNAL_ACCOUNT' AND (a.posted <> coalesce(m.posted, 0) OR a.held_out <> coalesce(m.held, 0))
ORDER BY a.organization_id, a.id LIMIT %(limit)s;

-- name: chains_that_break
-- Each posting starts from the balance that another one left. Whatever their order: every balance that was left is
-- where one posting starts, except the present one, and only the first starts from nothing.
WITH step AS (
    SELECT organization_id, debit_account_id AS account_id, debit_after + amount AS before, debit_after AS after
    FROM posting WHERE kind IN ('post', 'settle', 'reverse')
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    UNION ALL
    SELECT organization_id, credit_account_id, credit_after - amount, credit_after
    FROM posting WHERE kind IN ('post', 'settle', 'reverse')
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
), counted AS (
    SELECT organization_id, account_id, before AS balance, count(*) AS times FROM step GROUP BY 1, 2, 3
    UNION ALL
    SELECT organization_id, account_id, after, -count(*) FROM step GROUP BY 1, 2, 3
    UNION ALL
    SELECT organization_id, id, posted, 1 FROM account
    WHERE kind <> 'EXTERNAL_ACCOUNT' AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    UNION ALL
    SELECT organization_id, id, 0, -1 FROM account
    WHERE kind <> 'EXTERNAL_ACCOUNT' AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
), broken AS (
    SELECT organization_id, account_id, balance, sum(times) AS times
    FROM counted GROUP BY 1, 2, 3 HAVING sum(times) <> 0
)
SELECT organization_id, account_id, 'every balance left by one posting, taken up by one',
       'a balance of ' || balance || CASE WHEN times > 0 THEN ' that no posting left' ELSE ' that none took up' END,
       count(*) OVER ()
FROM broken ORDER BY organization_id, account_id, balance LIMIT %(limit)s;

-- name: money_on_its_way_without_transfer
-- What an account expects, and what is being pulled from an external one, is in transfers that are still open. A pull is
-- on its way until its leg ends; a transfer that waits for a person, or whose leg is to come, counts as one too.
WITH open AS (
    SELECT t.organization_id, t.source_account_id, coalesce(t.staged_account_id, t.destination_account_id) AS arrival,
           t.amount,
           NOT EXISTS (
               SELECT FROM transfer_leg l
               WHERE l.organization_id = t.organization_id AND l.transfer_id = t.id AND l.purpose = 'PULL'
                   AND l.status NOT IN ('PROCESSING', 'PENDING')
                   AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s)
           ) AS is_pulled
    FROM transfer t
    WHERE t.mode = 'LIVE' AND t.status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING')
        AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
), side AS (
    SELECT organization_id, source_account_id AS account_id, CASE WHEN is_pulled THEN amount ELSE 0 END AS pulled,
           0 AS coming
    FROM open
    UNION ALL
    SELECT organization_id, arrival, 0, amount FROM open
), told AS (
    SELECT organization_id, account_id, sum(pulled) AS pulled, sum(coming) AS coming FROM side GROUP BY 1, 2
)
SELECT a.organization_id, a.id, format('%%s expected, %%s pulled', coalesce(t.coming, 0), coalesce(t.pulled, 0)),
       format('%%s expected, %%s pulled', a.expected_in, a.held_out), count(*) OVER ()
FROM account a
LEFT JOIN told t ON t.organization_id = a.organization_id AND t.account_id = a.id
WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s) AND (
    a.expected_in <> coalesce(t.coming, 0) OR (a.kind = 'EXTERNAL_ACCOUNT' AND a.held_out <> coalesce(t.pulled, 0)))
ORDER BY a.organization_id, a.id LIMIT %(limit)s;

-- name: accounts_below_their_floor
-- The schema refuses this; the audit trusts nobody. Only returns push an account below, and it says how far.
WITH returned AS (
    SELECT organization_id, debit_account_id AS account_id, sum(amount) AS amount
    FROM posting WHERE kind = 'reverse' AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY 1, 2
)
SELECT a.organization_id, a.id, format('at least %%s, or below by returns of %%s', a.floor, coalesce(r.amount, 0)),
       format('%%s, overdrawn %%s', a.posted - a.held_out, a.overdrawn), count(*) OVER ()
FROM account a
LEFT JOIN returned r ON r.organization_id = a.organization_id AND r.account_id = a.id
WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
    AND CASE WHEN a.kind IN ('EXTERNAL_ACCOUNT', 'WORLD') THEN a.overdrawn <> 0
             ELSE a.overdrawn <> greatest(0, a.floor - a.posted + a.held_out) OR a.overdrawn > coalesce(r.amount, 0) END
ORDER BY a.organization_id, a.id LIMIT %(limit)s;

-- name: transfers_unlike_their_postings
-- A transfer has done in the ledger exactly what its status and its legs say. Between two accounts that we keep that is
-- its amount once, from the one to the other, or a hold while it waits for a person. With legs it is its amount for
-- every leg that has settled and stayed so, and a hold while a leg is still to send it. Nobody stands for the world.
WITH done AS (
    SELECT organization_id, transfer_id, count(*) AS postings,
           coalesce(sum(amount) FILTER (WHERE kind IN ('post', 'settle')), 0)
               - coalesce(sum(amount) FILTER (WHERE kind = 'reverse'), 0) AS moved,
           coalesce(sum(amount) FILTER (WHERE kind = 'hold'), 0)
               - coalesce(sum(amount) FILTER (WHERE kind IN ('release', 'settle')), 0) AS held,
           min(debit_account_id::text) FILTER (WHERE kind IN ('post', 'settle')) AS debit,
           min(credit_account_id::text) FILTER (WHERE kind IN ('post', 'settle')) AS credit
    FROM posting WHERE transfer_id IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, transfer_id
), carried AS (
    SELECT organization_id, transfer_id, count(*) FILTER (WHERE status = 'SETTLED') AS settled,
           bool_or(purpose <> 'PULL' AND status IN ('PROCESSING', 'PENDING')) AS is_sending
    FROM transfer_leg WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, transfer_id
), told AS (
    SELECT coalesce(t.organization_id, d.organization_id) AS organization_id, coalesce(t.id, d.transfer_id) AS id,
           t.status, t.mode, t.amount, c.transfer_id IS NOT NULL AS has_legs, coalesce(c.settled, 0) AS settled,
           coalesce(c.is_sending, false) AS is_sending,
           coalesce(s.kind, 'WORLD') <> 'EXTERNAL_ACCOUNT' AS source_is_kept,
           coalesce(t.source_account_id, w.id)::text AS from_id,
           coalesce(t.staged_account_id, t.destination_account_id, w.id)::text AS to_id,
           coalesce(d.postings, 0) AS postings, coalesce(d.moved, 0) AS moved, coalesce(d.held, 0) AS held,
           d.debit, d.credit
    FROM (SELECT * FROM transfer WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) t
    FULL JOIN done d ON d.organization_id = t.organization_id AND d.transfer_id = t.id
    LEFT JOIN carried c ON c.organization_id = t.organization_id AND c.transfer_id = t.id
    LEFT JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
        AND (%(only)s::uuid IS NULL OR s.organization_id = %(only)s)
    LEFT JOIN account e ON e.organization_id = t.organization_id AND e.id = t.destination_account_id
        AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
    LEFT JOIN account w ON w.organization_id = t.organization_id AND w.kind = 'WORLD'
        AND w.currency = coalesce(s.currency, e.currency)
        AND (%(only)s::uuid IS NULL OR w.organization_id = %(only)s)
), judged AS (
    SELECT *, CASE
        WHEN status IS NULL THEN 'a transfer to which the postings belong'
        WHEN mode = 'SIMULATION' AND postings > 0 THEN 'no posting of a simulation'
        WHEN mode = 'SIMULATION' THEN NULL
        WHEN has_legs AND (moved <> amount * settled OR held <> CASE WHEN is_sending THEN amount ELSE 0 END)
            THEN format('%%s moved, %%s held', amount * settled, CASE WHEN is_sending THEN amount ELSE 0 END)
        WHEN has_legs THEN NULL
        WHEN status = 'COMPLETE'
            AND (moved <> amount OR held <> 0 OR debit IS DISTINCT FROM from_id OR credit IS DISTINCT FROM to_id)
            THEN format('%%s once from %%s to %%s', amount, from_id, to_id)
        WHEN status IN ('INCOMPLETE', 'ERROR', 'CANCELLED') AND (moved <> 0 OR held <> 0)
            THEN 'nothing moved, nothing held'
        WHEN status = 'PENDING_APPROVAL' AND (moved <> 0 OR held <> CASE WHEN source_is_kept THEN amount ELSE 0 END)
            THEN format('nothing moved, %%s held', CASE WHEN source_is_kept THEN amount ELSE 0 END)
        WHEN status IN ('PROCESSING', 'PENDING') THEN 'a leg that carries it'
        END AS expected
    FROM told
)
SELECT organization_id, id, expected,
       format('%%s with %%s postings: %%s moved, %%s held%%s', coalesce(status, 'no transfer'), postings, moved, held,
              CASE WHEN debit IS NULL THEN '' ELSE format(', from %%s to %%s', debit, credit) END),
       count(*) OVER ()
FROM judged WHERE expected IS NOT NULL ORDER BY organization_id, id LIMIT %(limit)s;

-- name: card_transactions_unlike_their_postings
-- What a card has paid is one posting from its account to the world, what it was paid back one from there; of what was
-- declined there is none. Of a purchase at most all has been given back, by refunds of the same card, and it counts them.
WITH done AS (
    SELECT organization_id, card_transaction_id, count(*) AS postings, sum(amount) AS moved,
           min(debit_account_id::text) AS debit, min(credit_account_id::text) AS credit
    FROM posting
    WHERE card_transaction_id IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, card_transaction_id
), given_back AS (
    SELECT organization_id, purchase_id, sum(amount) AS amount
    FROM card_transaction
    WHERE purchase_id IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, purchase_id
), told AS (
    SELECT coalesce(c.organization_id, d.organization_id) AS organization_id,
           coalesce(c.id, d.card_transaction_id) AS id, c.status, c.subtype, c.amount, c.refunded,
           coalesce(g.amount, 0) AS given_back, coalesce(d.postings, 0) AS postings, coalesce(d.moved, 0) AS moved,
           d.debit, d.credit,
           CASE c.subtype WHEN 'PURCHASE' THEN c.account_id ELSE w.id END::text AS from_id,
           CASE c.subtype WHEN 'PURCHASE' THEN w.id ELSE c.account_id END::text AS to_id,
           c.purchase_id IS NULL OR coalesce(
               p.subtype = 'PURCHASE' AND p.status = 'COMPLETE' AND p.card_id = c.card_id
                   AND p.account_id = c.account_id, false) AS has_its_purchase
    FROM (SELECT * FROM card_transaction WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) c
    FULL JOIN done d ON d.organization_id = c.organization_id AND d.card_transaction_id = c.id
    LEFT JOIN given_back g ON g.organization_id = c.organization_id AND g.purchase_id = c.id
    LEFT JOIN card_transaction p ON p.organization_id = c.organization_id AND p.id = c.purchase_id
        AND (%(only)s::uuid IS NULL OR p.organization_id = %(only)s)
    LEFT JOIN account a ON a.organization_id = c.organization_id AND a.id = c.account_id
        AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
    LEFT JOIN account w ON w.organization_id = c.organization_id AND w.kind = 'WORLD' AND w.currency = a.currency
        AND (%(only)s::uuid IS NULL OR w.organization_id = %(only)s)
), judged AS (
    SELECT *, CASE
        WHEN status IS NULL THEN 'a card transaction to which the posting belongs'
        WHEN status = 'DECLINED' AND postings > 0 THEN 'no posting of what was declined'
        WHEN status = 'COMPLETE' AND (postings <> 1 OR moved <> amount OR debit IS DISTINCT FROM from_id
                                      OR credit IS DISTINCT FROM to_id)
            THEN format('%%s once from %%s to %%s', amount, from_id, to_id)
        WHEN NOT has_its_purchase THEN 'a purchase that the same card paid from the same account'
        WHEN refunded <> given_back OR given_back > CASE WHEN status = 'COMPLETE' THEN amount ELSE 0 END
            THEN format('%%s given back of %%s', given_back, amount)
        END AS expected
    FROM told
)
SELECT organization_id, id, expected,
       format('%%s with %%s postings: %%s moved, %%s given back%%s', coalesce(status, 'no card transaction'), postings,
              moved, coalesce(refunded, 0),
              CASE WHEN debit IS NULL THEN '' ELSE format(', from %%s to %%s', debit, credit) END),
       count(*) OVER ()
FROM judged WHERE expected IS NOT NULL ORDER BY organization_id, id LIMIT %(limit)s;

-- name: legs_unlike_their_transfer
-- A transfer is on its way while a leg of it is, and complete when the last of its pull and push has settled. After an
-- end only money that goes back, or a payment that had left when its pull came back, is still on its way.
WITH carried AS (
    SELECT organization_id, transfer_id,
           count(*) FILTER (WHERE status IN ('PROCESSING', 'PENDING')) AS open,
           count(*) FILTER (WHERE status IN ('PROCESSING', 'PENDING') AND sequence = 0) AS first_open,
           count(*) FILTER (WHERE status = 'PROCESSING' AND sequence = 0) AS waiting,
           bool_and(status = 'SETTLED') AS is_settled, bool_and(status = 'CANCELLED') AS is_cancelled,
           count(*) AS legs
    FROM transfer_leg WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, transfer_id
)
SELECT t.organization_id, t.id,
       CASE t.status WHEN 'PROCESSING' THEN 'one leg, not handed over'
                     WHEN 'PENDING' THEN 'one open leg, the first one handed over'
                     WHEN 'COMPLETE' THEN 'settled legs' WHEN 'CANCELLED' THEN 'cancelled legs'
                     ELSE 'one leg that failed, and at most one that is open' END,
       format('%%s with %%s legs, %%s open, %%s to be handed over', t.status, c.legs, c.open, c.waiting),
       count(*) OVER ()
FROM carried c
JOIN transfer t ON t.organization_id = c.organization_id AND t.id = c.transfer_id
WHERE (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
    AND CASE t.status WHEN 'PROCESSING' THEN NOT (c.legs = 1 AND c.waiting = 1)
        WHEN 'PENDING' THEN c.open <> 1 OR c.waiting > 0
        WHEN 'COMPLETE' THEN NOT c.is_settled
        WHEN 'CANCELLED' THEN NOT c.is_cancelled
        WHEN 'PENDING_APPROVAL' THEN true
        ELSE c.open > 1 OR c.first_open > 0 OR c.is_settled END
ORDER BY t.organization_id, t.id LIMIT %(limit)s;

-- name: legs_unlike_the_bank
-- What our legs say is what the sandbox bank's own book says, apart from what it has reported and we have not applied.
-- A payment of which we do not know that it arrived (to be handed over) may be there or not.
WITH pair AS (
    SELECT coalesce(l.organization_id, p.organization_id) AS organization_id, coalesce(l.id, p.key) AS id,
           l.status, l.purpose, l.amount, p.state, p.kind, p.amount AS paid,
           EXISTS (
               SELECT FROM bank_report r
               WHERE r.organization_id = p.organization_id AND r.payment_key = p.key
                   AND (%(only)s::uuid IS NULL OR r.organization_id = %(only)s)
                   AND NOT EXISTS (
                       SELECT FROM rail_report a WHERE a.organization_id = r.organization_id AND a.id = r.id
                           AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
                   )
           ) AS has_news
    FROM (
        SELECT l.* FROM transfer_leg l JOIN organization o ON o.id = l.organization_id AND o.mode = 'sandbox'
        WHERE (%(only)s::uuid IS NULL OR l.organization_id = %(only)s)
            AND (%(only)s::uuid IS NULL OR o.id = %(only)s)
    ) l
    FULL JOIN (
        SELECT * FROM bank_payment WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    ) p ON p.organization_id = l.organization_id AND p.key = l.id
), judged AS (
    SELECT *, CASE
        WHEN status IS NULL THEN 'a leg for every payment'
        WHEN paid IS NOT NULL AND (paid <> amount OR kind <> CASE purpose WHEN 'PULL' THEN 'PULL' ELSE 'PUSH' END)
            THEN format('a %%s of %%s', lower(purpose), amount)
        WHEN status = 'PENDING' AND NOT (state = 'ACCEPTED' OR coalesce(has_news, false)) THEN 'an accepted payment'
        WHEN status = 'SETTLED' AND state IS DISTINCT FROM 'SETTLED' AND NOT coalesce(has_news, false)
            THEN 'a settled payment'
        WHEN status = 'RETURNED' AND state IS DISTINCT FROM 'RETURNED' THEN 'a returned payment'
        WHEN status = 'REFUSED' AND coalesce(state, 'REFUSED') NOT IN ('REFUSED', 'CANCELLED') THEN 'a refused payment, or none'
        WHEN status = 'CANCELLED' AND coalesce(state, 'CANCELLED') <> 'CANCELLED' THEN 'no payment'
        END AS expected
    FROM pair
)
SELECT organization_id, id, expected,
       format('leg %%s of %%s, payment %%s of %%s', coalesce(status, 'none'), coalesce(amount, 0),
              coalesce(state, 'none'), coalesce(paid, 0)),
       count(*) OVER ()
FROM judged WHERE expected IS NOT NULL ORDER BY organization_id, id LIMIT %(limit)s;

-- name: occurrences_after
-- In pages, because a calendar is not SQL's work: the occurrences that have run, each rule's in order.
SELECT e.organization_id, e.rule_id, e.nominal, e.id, e.approval_id, e.scheduled_for,
       coalesce(e.awaited, e.nominal),
       v.definition
FROM execution e
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
    AND (%(only)s::uuid IS NULL OR v.organization_id = %(only)s)
    AND e.nominal IS NOT NULL
    AND (e.organization_id, e.rule_id, e.nominal) > (%(after_id)s::uuid, %(rule_id)s::uuid, %(nominal)s::timestamp)
ORDER BY e.organization_id, e.rule_id, e.nominal LIMIT %(limit)s;

-- name: transfers_made_twice
-- One execution makes at most one transfer for each part of each action.
SELECT organization_id, min(id::text)::uuid,
       format('1 transfer for step %%s, action %%s, part %%s', step, action, part), count(*)::text, count(*) OVER ()
FROM transfer WHERE execution_id IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
GROUP BY organization_id, execution_id, step, action, part HAVING count(*) > 1
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: executions_in_limbo
-- An execution has ended, or is due, or waits for a transfer that is still open. Nothing else will ever move it on.
SELECT e.organization_id, e.id, 'ended, due, or waiting for an open transfer',
       format('%%s, due %%s, finished %%s', e.status, coalesce(e.due_at::text, 'never'),
              coalesce(e.finished_at::text, 'never')),
       count(*) OVER ()
FROM execution e
WHERE (%(only)s::uuid IS NULL OR e.organization_id = %(only)s) AND (
    (e.status <> 'IN_PROGRESS' AND (e.due_at IS NOT NULL OR e.finished_at IS NULL))
    OR (e.status = 'IN_PROGRESS' AND e.due_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM transfer t
        WHERE t.organization_id = e.organization_id AND t.id = ANY (e.transfer_ids)
            AND (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
            AND t.status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING'))))
ORDER BY e.organization_id, e.id LIMIT %(limit)s;

-- name: executions_without_approval
-- A live execution ran exactly the revision that a person had signed before, as far as the clocks of two machines can
-- tell: a minute is no violation.
SELECT e.organization_id, e.id, format('revision %%s with hash %%s, approved before it was created', e.revision,
                                       encode(e.fingerprint, 'hex')),
       CASE WHEN a.id IS NULL THEN 'no approval'
            ELSE format('revision %%s with hash %%s, approved at %%s, created at %%s', a.revision,
                        encode(a.fingerprint, 'hex'), a.approved_at, e.created_at) END,
       count(*) OVER ()
FROM execution e
LEFT JOIN approval a ON a.organization_id = e.organization_id AND a.id = e.approval_id
    AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
WHERE (%(only)s::uuid IS NULL OR e.organization_id = %(only)s) AND e.mode = 'LIVE' AND (
    a.id IS NULL OR a.rule_id <> e.rule_id OR a.revision <> e.revision OR a.fingerprint <> e.fingerprint
    OR a.approved_at > e.created_at + interval '1 minute')
ORDER BY e.organization_id, e.id LIMIT %(limit)s;

-- name: rules_without_approval
-- An enabled rule stands under an approval of its present revision that nobody has revoked.
SELECT r.organization_id, r.id, format('an approval of revision %%s in force', r.revision),
       CASE WHEN a.id IS NULL THEN 'no approval'
            ELSE format('approved revision %%s, revoked %%s', a.revision, coalesce(a.revoked_at::text, 'never')) END,
       count(*) OVER ()
FROM rule r
LEFT JOIN approval a ON a.organization_id = r.organization_id AND a.id = r.approval_id
    AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
WHERE (%(only)s::uuid IS NULL OR r.organization_id = %(only)s)
    AND r.approval_id IS NOT NULL AND (
    a.id IS NULL OR a.rule_id <> r.id OR a.revision <> r.revision OR a.fingerprint <> r.fingerprint
    OR a.revoked_at IS NOT NULL)
ORDER BY r.organization_id, r.id LIMIT %(limit)s;

-- name: executions_that_miscount
-- What an execution says that it made is what there is. Of an old simulation only its counts are left.
WITH made AS (
    SELECT organization_id, execution_id, count(*) AS transfers,
           count(*) FILTER (WHERE status = 'COMPLETE') AS completed,
           count(*) FILTER (WHERE status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING')) AS pending
    FROM transfer WHERE execution_id IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, execution_id
)
SELECT e.organization_id, e.id,
       format('%%s transfers, %%s complete, %%s open', coalesce(m.transfers, 0), coalesce(m.completed, 0),
              coalesce(m.pending, 0)),
       format('%%s transfers, %%s complete, %%s open', cardinality(e.transfer_ids), e.completed, e.pending),
       count(*) OVER ()
FROM execution e
LEFT JOIN made m ON m.organization_id = e.organization_id AND m.execution_id = e.id
WHERE (%(only)s::uuid IS NULL OR e.organization_id = %(only)s) AND (
    cardinality(e.transfer_ids) <> coalesce(m.transfers, 0) OR e.pending <> coalesce(m.pending, 0)
    OR (e.completed <> coalesce(m.completed, 0)
        AND NOT (e.mode = 'SIMULATION' AND e.trace IS NULL AND m.transfers IS NULL)))
ORDER BY e.organization_id, e.id LIMIT %(limit)s;

-- name: caps_that_miscount
-- What a group has used of its limit in a period is what its transfers took in that period, counted in the rule's zone.
-- Only transfers that ran while the group had a limit of that period count; one that failed on its way may have used
-- it.
WITH capped AS (
    SELECT t.organization_id, t.rule_id, t.step, g.group_index, a.period,
           date_trunc(CASE a.period WHEN 'PER_WEEK' THEN 'week' WHEN 'PER_MONTH' THEN 'month' ELSE 'year' END,
                      e.created_at AT TIME ZONE coalesce(v.definition -> 'trigger' ->> 'zone', 'UTC'))::date
               AS starts_on,
           t.amount, t.status IN ('ERROR', 'CANCELLED', 'INCOMPLETE') AS has_failed
    FROM transfer t
    JOIN execution e ON e.organization_id = t.organization_id AND e.id = t.execution_id
    JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
    CROSS JOIN LATERAL (
        SELECT coalesce(
            (v.definition -> 'steps' -> t.step::int -> 'actions' -> t.action::int ->> 'group_index')::int, 0
        ) AS group_index
    ) g
    CROSS JOIN LATERAL (
        SELECT DISTINCT written.action -> 'limit' ->> 'period' AS period
        FROM jsonb_array_elements(v.definition -> 'steps' -> t.step::int -> 'actions') AS written (action)
        WHERE coalesce((written.action ->> 'group_index')::int, 0) = g.group_index
            AND written.action -> 'limit' ->> 'period' <> 'PER_TRANSFER'
    ) a
    WHERE (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
        AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
        AND (%(only)s::uuid IS NULL OR v.organization_id = %(only)s)
        AND t.mode = 'LIVE' AND t.origin = 'RULE'
        AND (t.status <> 'INCOMPLETE' OR EXISTS (
            SELECT FROM transfer_leg l WHERE l.organization_id = t.organization_id AND l.transfer_id = t.id
                AND (%(only)s::uuid IS NULL OR l.organization_id = %(only)s)
        ))
        AND v.definition::text LIKE '%%"period"%%'
), taken AS (
    SELECT organization_id, rule_id, step, group_index, period, starts_on, sum(amount) AS most,
           coalesce(sum(amount) FILTER (WHERE NOT has_failed), 0) AS least
    FROM capped GROUP BY 1, 2, 3, 4, 5, 6
)
SELECT coalesce(c.organization_id, t.organization_id), coalesce(c.rule_id, t.rule_id),
       format('%%s to %%s used %%s from %%s on, by step %%s, group %%s', coalesce(t.least, 0), coalesce(t.most, 0),
              lower(replace(coalesce(c.period, t.period), '_', ' ')), coalesce(c.starts_on, t.starts_on),
              coalesce(c.step, t.step), coalesce(c.group_index, t.group_index)),
       coalesce(c.used, 0)::text, count(*) OVER ()
FROM (SELECT * FROM cap_used WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)) c
FULL JOIN taken t ON t.organization_id = c.organization_id AND t.rule_id = c.rule_id AND t.step = c.step
    AND t.group_index = c.group_index AND t.period = c.period AND t.starts_on = c.starts_on
WHERE coalesce(c.used, 0) NOT BETWEEN coalesce(t.least, 0) AND coalesce(t.most, 0)
ORDER BY 1, 2 LIMIT %(limit)s;

-- name: revisions_after
-- In pages, because a definition is checked by reading and hashing it, which is not SQL's work.
SELECT organization_id, rule_id, revision, definition, fingerprint FROM rule_revision
WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    AND (organization_id, rule_id, revision) > (%(after_id)s::uuid, %(rule_id)s::uuid, %(revision)s::integer)
ORDER BY organization_id, rule_id, revision LIMIT %(limit)s;
