"""What must hold of every Sluiceway database: each a sentence, and the SQL that finds what breaks it."""

from typing import Any, Final, LiteralString

from sluiceway.storage.database import Database, fetch_all

INVARIANTS: Final[dict[str, LiteralString]] = {
    "the sum over all accounts of a currency is zero": """
        SELECT organization_id, currency, sum(posted) FROM account
        GROUP BY organization_id, currency HAVING sum(posted) <> 0
    """,
    "an account holds what its postings say": """
        SELECT a.organization_id, a.id, a.posted, coalesce(p.moved, 0) FROM account a
        LEFT JOIN (
            SELECT organization_id, account_id, sum(amount) AS moved FROM (
                SELECT organization_id, credit_account_id AS account_id, amount, kind FROM posting
                UNION ALL
                SELECT organization_id, debit_account_id, -amount, kind FROM posting
            ) AS sides
            WHERE kind IN ('post', 'settle', 'reverse')
            GROUP BY organization_id, account_id
        ) AS p ON p.organization_id = a.organization_id AND p.account_id = a.id
        WHERE a.posted <> coalesce(p.moved, 0)
    """,
    "the last day of an account of ours ended with what it holds": """
        SELECT a.organization_id, a.id, a.posted, d.balance FROM account a
        LEFT JOIN LATERAL (
            SELECT balance FROM account_day d WHERE d.organization_id = a.organization_id AND d.account_id = a.id
            ORDER BY d.day DESC LIMIT 1
        ) AS d ON true
        WHERE a.kind IN ('POD', 'INCOME_SOURCE') AND a.posted <> coalesce(d.balance, 0)
    """,
    "each day of an account of ours ended with what had been posted by then": """
        SELECT d.organization_id, d.account_id, d.day, d.balance FROM account_day d
        JOIN account a ON a.organization_id = d.organization_id AND a.id = d.account_id
        LEFT JOIN (
            SELECT organization_id, account_id, (posted_at AT TIME ZONE 'UTC')::date AS day, sum(amount) AS moved FROM (
                SELECT organization_id, credit_account_id AS account_id, posted_at, amount, kind FROM posting
                UNION ALL
                SELECT organization_id, debit_account_id, posted_at, -amount, kind FROM posting
            ) AS sides
            WHERE kind IN ('post', 'settle', 'reverse')
            GROUP BY organization_id, account_id, day
        ) AS p ON p.organization_id = d.organization_id AND p.account_id = d.account_id AND p.day <= d.day
        WHERE a.kind <> 'EXTERNAL_ACCOUNT'
        GROUP BY d.organization_id, d.account_id, d.day, d.balance HAVING d.balance <> coalesce(sum(p.moved), 0)
    """,
    "what rules moved by day is what their transfers say": """
        SELECT organization_id, rule_id, source, destination, sum(moved), sum(transfers), sum(returned) FROM (
            SELECT organization_id, rule_id, source_account_id AS source, destination_account_id AS destination,
                   moved, transfers, returned FROM rule_day
            UNION ALL
            SELECT organization_id, rule_id, source_account_id, destination_account_id, -amount, -1,
                   CASE WHEN returned_at IS NULL THEN 0 ELSE -amount END
            FROM transfer WHERE mode = 'LIVE' AND rule_id IS NOT NULL AND completed_at IS NOT NULL
        ) AS both_ways
        GROUP BY organization_id, rule_id, source, destination
        HAVING sum(moved) <> 0 OR sum(transfers) <> 0 OR sum(returned) <> 0
    """,
    "what an account of ours holds back was held by postings": """
        SELECT a.organization_id, a.id, a.held_out, coalesce(p.held, 0) FROM account a
        LEFT JOIN (
            SELECT organization_id, debit_account_id, sum(CASE kind WHEN 'hold' THEN amount ELSE -amount END) AS held
            FROM posting WHERE kind IN ('hold', 'release', 'settle') GROUP BY organization_id, debit_account_id
        ) AS p ON p.organization_id = a.organization_id AND p.debit_account_id = a.id
        WHERE a.kind <> 'EXTERNAL_ACCOUNT' AND a.held_out <> coalesce(p.held, 0)
    """,
    "what is pulled from an outside account is in transfers whose pull has not ended": """
        SELECT a.organization_id, a.id, a.held_out, coalesce(t.pulled, 0) FROM account a
        LEFT JOIN (
            SELECT t.organization_id, t.source_account_id, sum(t.amount) AS pulled FROM transfer t
            LEFT JOIN transfer_leg l ON l.organization_id = t.organization_id AND l.transfer_id = t.id
                AND l.sequence = 0
            WHERE t.status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING') AND t.mode = 'LIVE'
                AND coalesce(l.status, 'PROCESSING') IN ('PROCESSING', 'PENDING')
            GROUP BY t.organization_id, t.source_account_id
        ) AS t ON t.organization_id = a.organization_id AND t.source_account_id = a.id
        WHERE a.kind = 'EXTERNAL_ACCOUNT' AND a.held_out <> coalesce(t.pulled, 0)
    """,
    "what an account expects is in transfers on their way, to it or to the debt that it is a pod for": """
        SELECT a.organization_id, a.id, a.expected_in, coalesce(t.coming, 0) FROM account a
        LEFT JOIN (
            SELECT organization_id, coalesce(staged_account_id, destination_account_id) AS arrival,
                   sum(amount) AS coming FROM transfer
            WHERE status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING') AND mode = 'LIVE'
            GROUP BY organization_id, arrival
        ) AS t ON t.organization_id = a.organization_id AND t.arrival = a.id
        WHERE a.expected_in <> coalesce(t.coming, 0)
    """,
    "an account is below its floor by what it says, and then never by more than came back from it": """
        SELECT a.organization_id, a.id, a.posted, a.held_out, a.floor, a.overdrawn FROM account a
        WHERE kind NOT IN ('EXTERNAL_ACCOUNT', 'WORLD') AND (
            a.overdrawn <> greatest(0, a.floor - (a.posted - a.held_out)) OR a.overdrawn > coalesce((
                SELECT sum(p.amount) FROM posting p
                WHERE p.organization_id = a.organization_id AND p.debit_account_id = a.id AND p.kind = 'reverse'
            ), 0)
        )
    """,
    # Whatever their order, the balances after an account's postings are the balances before the next ones.
    "the running balances of an account form one chain": """
        SELECT organization_id, account_id, figure, sum(times) FROM (
            SELECT organization_id, credit_account_id AS account_id, credit_after AS figure, 1 AS times
            FROM posting WHERE kind NOT IN ('hold', 'release')
            UNION ALL SELECT organization_id, debit_account_id, debit_after, 1
            FROM posting WHERE kind NOT IN ('hold', 'release')
            UNION ALL SELECT organization_id, credit_account_id, credit_after - amount, -1
            FROM posting WHERE kind NOT IN ('hold', 'release')
            UNION ALL SELECT organization_id, debit_account_id, debit_after + amount, -1
            FROM posting WHERE kind NOT IN ('hold', 'release')
            UNION ALL SELECT organization_id, id, 0, 1 FROM account
            UNION ALL SELECT organization_id, id, posted, -1 FROM account
        ) AS steps GROUP BY organization_id, account_id, figure HAVING sum(times) <> 0
    """,
    "a transfer between our accounts is complete when its amount has moved once, and else has moved nothing": """
        SELECT t.organization_id, t.id, t.status FROM transfer t
        JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
        JOIN account d ON d.organization_id = t.organization_id
            AND d.id = coalesce(t.staged_account_id, t.destination_account_id)
        WHERE t.mode = 'LIVE' AND s.kind <> 'EXTERNAL_ACCOUNT' AND d.kind <> 'EXTERNAL_ACCOUNT'
            AND (t.status IN ('PROCESSING', 'PENDING') OR (t.status = 'COMPLETE') <> (
                SELECT count(*) FILTER (WHERE p.kind IN ('post', 'settle')) = 1
                   AND bool_and(p.amount = t.amount AND p.debit_account_id = s.id AND p.credit_account_id = d.id)
                FROM posting p WHERE p.organization_id = t.organization_id AND p.transfer_id = t.id
            ))
    """,
    "a posting moves between accounts of its own organization, with one currency": """
        SELECT p.organization_id, p.transfer_id, p.sequence FROM posting p
        LEFT JOIN account d ON d.organization_id = p.organization_id AND d.id = p.debit_account_id
        LEFT JOIN account c ON c.organization_id = p.organization_id AND c.id = p.credit_account_id
        WHERE (d.currency = c.currency) IS NOT TRUE
    """,
    "a deposit is one posting from the world": """
        SELECT t.organization_id, t.id FROM transfer t
        WHERE t.source_account_id IS NULL AND t.status = 'COMPLETE' AND NOT EXISTS (
            SELECT FROM posting p
            JOIN account w ON w.organization_id = p.organization_id AND w.id = p.debit_account_id
            WHERE p.organization_id = t.organization_id AND p.transfer_id = t.id AND p.kind = 'post'
                AND w.kind = 'WORLD' AND p.credit_account_id = t.destination_account_id AND p.amount = t.amount
        )
    """,
    "a card has moved exactly what is complete, once, between the account of that time and the world": """
        SELECT c.organization_id, c.id, c.status FROM card_transaction c
        LEFT JOIN posting p ON p.organization_id = c.organization_id AND p.card_transaction_id = c.id
        LEFT JOIN account o ON o.organization_id = p.organization_id
            AND o.id = CASE c.subtype WHEN 'PURCHASE' THEN p.credit_account_id ELSE p.debit_account_id END
        WHERE (c.status = 'COMPLETE') <> (p.amount IS NOT NULL) OR (p.amount IS NOT NULL AND (
            p.amount <> c.amount OR o.kind <> 'WORLD' OR c.account_id <>
                CASE c.subtype WHEN 'PURCHASE' THEN p.debit_account_id ELSE p.credit_account_id END
        ))
    """,
    "a purchase has given back what refunds of its card say, and never more than was paid": """
        SELECT p.organization_id, p.id, p.amount, p.refunded, sum(r.amount) FROM card_transaction p
        LEFT JOIN card_transaction r ON r.organization_id = p.organization_id AND r.purchase_id = p.id
        GROUP BY p.organization_id, p.id, p.amount, p.refunded, p.card_id
        HAVING p.refunded <> coalesce(sum(r.amount), 0) OR p.refunded > p.amount OR bool_or(r.card_id <> p.card_id)
    """,
    "an active card pays from a pod that is there": """
        SELECT c.organization_id, c.id, c.account_id FROM card c
        JOIN account a ON a.organization_id = c.organization_id AND a.id = c.account_id
        WHERE c.status = 'ACTIVE' AND (a.deleted_at IS NOT NULL OR a.kind <> 'POD')
    """,
    "a transfer has moved its amount once for every leg that has settled; without legs, a failed one nothing": """
        SELECT t.organization_id, t.id, t.status, p.moved, l.settled FROM transfer t
        JOIN (
            SELECT organization_id, transfer_id, count(*) AS postings, coalesce(sum(
                       CASE kind WHEN 'post' THEN amount WHEN 'settle' THEN amount WHEN 'reverse' THEN -amount END), 0)
                       AS moved
            FROM posting GROUP BY organization_id, transfer_id
        ) AS p ON p.organization_id = t.organization_id AND p.transfer_id = t.id
        LEFT JOIN (
            SELECT organization_id, transfer_id, count(*) FILTER (WHERE status = 'SETTLED') AS settled
            FROM transfer_leg GROUP BY organization_id, transfer_id
        ) AS l ON l.organization_id = t.organization_id AND l.transfer_id = t.id
        WHERE (t.mode = 'SIMULATION' AND p.postings > 0)
            OR p.moved <> t.amount * coalesce(l.settled, (t.status = 'COMPLETE')::int)
    """,
    "every payment at the bank is one leg of ours, taken once": """
        SELECT p.organization_id, p.key, p.amount, l.amount FROM bank_payment p
        LEFT JOIN transfer_leg l ON l.organization_id = p.organization_id AND l.id = p.key
        WHERE l.id IS NULL OR l.amount <> p.amount OR l.account_id <> p.account_id
            OR (l.purpose = 'PULL') <> (p.kind = 'PULL') OR (l.status = 'CANCELLED' AND p.state <> 'CANCELLED')
    """,
    "money that leaves our account for the outside is held or has been settled": """
        SELECT t.organization_id, t.id, t.status FROM transfer t
        JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
        WHERE t.mode = 'LIVE' AND t.direction = 'MONEY_OUT' AND s.kind <> 'EXTERNAL_ACCOUNT'
            AND t.status IN ('PROCESSING', 'PENDING') AND 1 <> (
                SELECT count(*) FROM posting p WHERE p.organization_id = t.organization_id AND p.transfer_id = t.id
                    AND p.kind = 'hold' AND p.amount = t.amount AND p.debit_account_id = s.id
            )
    """,
    "an execution is due, or pending, or has ended, and nothing else": """
        SELECT organization_id, id, status, due_at, pending, finished_at FROM execution
        WHERE (due_at IS NOT NULL)::int + (due_at IS NULL AND pending > 0)::int + (finished_at IS NOT NULL)::int <> 1
            OR (finished_at IS NOT NULL) <> (status <> 'IN_PROGRESS')
    """,
    "the counts of an execution are those of its transfers": """
        SELECT e.organization_id, e.id, e.completed, e.pending, t.completed, t.pending FROM execution e
        LEFT JOIN (
            SELECT organization_id, execution_id, count(*) FILTER (WHERE status = 'COMPLETE') AS completed,
                   count(*) FILTER (WHERE status IN ('PROCESSING', 'PENDING', 'PENDING_APPROVAL')) AS pending,
                   count(*) FILTER (WHERE status IN ('ERROR', 'INCOMPLETE', 'CANCELLED')) AS failed,
                   array_agg(id ORDER BY id) AS ids
            FROM transfer WHERE execution_id IS NOT NULL GROUP BY organization_id, execution_id
        ) AS t ON t.organization_id = e.organization_id AND t.execution_id = e.id
        WHERE e.due_at IS NULL AND (
            (e.completed <> coalesce(t.completed, 0) AND (e.mode = 'LIVE' OR e.trace IS NOT NULL))
            OR e.pending <> coalesce(t.pending, 0)
            OR e.failed < coalesce(t.failed, 0)
            OR coalesce(t.ids, '{}') <> ARRAY(SELECT unnest(e.transfer_ids) ORDER BY 1)
        ) OR e.due_at IS NOT NULL AND t.execution_id IS NOT NULL
    """,
    "an action of an execution moved at most once": """
        SELECT organization_id, execution_id, step, action, part, count(*) FROM transfer WHERE execution_id IS NOT NULL
        GROUP BY organization_id, execution_id, step, action, part HAVING count(*) > 1
    """,
    "nothing moved before its approval or after it was revoked": """
        SELECT t.organization_id, t.id, t.created_at, a.approved_at, a.revoked_at FROM transfer t
        JOIN execution e ON e.organization_id = t.organization_id AND e.id = t.execution_id
        LEFT JOIN approval a ON a.organization_id = e.organization_id AND a.id = e.approval_id
            AND a.rule_id = e.rule_id AND a.revision = e.revision AND a.fingerprint = e.fingerprint
        WHERE t.mode = 'LIVE' AND (a.id IS NULL OR t.created_at NOT BETWEEN a.approved_at
            AND coalesce(a.revoked_at, 'infinity'))
    """,
    "a chain of rules keeps its limits": """
        SELECT organization_id, origin_id, max(depth), count(*) FROM execution WHERE origin_id <> id
        GROUP BY organization_id, origin_id HAVING max(depth) > 16 OR count(*) > 64
    """,
    "money that arrived fired each rule once, and never the one that sent it": """
        SELECT e.organization_id, e.cause_transfer_id, e.rule_id, count(*) FROM execution e
        JOIN transfer t ON t.organization_id = e.organization_id AND t.id = e.cause_transfer_id
        GROUP BY e.organization_id, e.cause_transfer_id, e.rule_id
        HAVING count(*) > 1 OR bool_or(t.rule_id = e.rule_id)
    """,
    "a rule is enabled exactly under an approval that stands": """
        SELECT r.organization_id, r.id FROM rule r
        LEFT JOIN approval a ON a.organization_id = r.organization_id AND a.rule_id = r.id AND a.revoked_at IS NULL
        WHERE (r.approval_id IS DISTINCT FROM a.id)
    """,
}


async def violations(database: Database) -> dict[str, list[Any]]:
    """Find what is wrong with a database: for each broken sentence, the rows that break it."""
    found: dict[str, list[Any]] = {}
    async with database.snapshot() as tx:
        for sentence, query in INVARIANTS.items():
            if rows := await fetch_all(tx, query):
                found[sentence] = rows
    return found
