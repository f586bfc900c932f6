-- What the overview, the map and the accounts show: a balance for each account and day, what rules moved on each day,
-- targets; and indexes for what needs a person. Locks: the new indexes read execution, transfer_leg and approval once,
-- under lock; filling the days reads posting and transfer once, and locks nothing: a minute with ten million of each.
--
-- A day is one of the organization's own clock, in UTC. Whoever writes a row of either table holds the account's lock
-- already, so it waits for nobody. Both are kept with every movement: the longest history is then as many rows as days.

-- The balance at the end of the day: what the ledger had posted, or what the bank reported. A day without a row ended as
-- the one before it did.
CREATE TABLE account_day (
    organization_id uuid NOT NULL,
    account_id uuid NOT NULL,
    day date NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (organization_id, account_id, day),
    FOREIGN KEY (organization_id, account_id) REFERENCES account
) WITH (fillfactor = 80);

-- moved: what a rule's transfers moved from one account to another, on the day on which they completed; returned: what
-- banks took back of it, on the day on which it came back, however long ago it had been moved.
CREATE TABLE rule_day (
    organization_id uuid NOT NULL,
    day date NOT NULL,
    rule_id uuid NOT NULL,
    source_account_id uuid NOT NULL,
    destination_account_id uuid NOT NULL,
    moved bigint NOT NULL DEFAULT 0 CHECK (moved >= 0),
    transfers integer NOT NULL DEFAULT 0 CHECK (transfers >= 0),
    returned bigint NOT NULL DEFAULT 0 CHECK (returned >= 0),
    PRIMARY KEY (organization_id, day, rule_id, source_account_id, destination_account_id),
    FOREIGN KEY (organization_id, rule_id) REFERENCES rule
) WITH (fillfactor = 80);

-- What a person wants in an account: an amount, or an amount by a day, paced from what was there when it was set.
CREATE TABLE account_target (
    organization_id uuid NOT NULL,
    account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    by_day date,
    from_day date NOT NULL,
    from_balance bigint NOT NULL,
    PRIMARY KEY (organization_id, account_id),
    FOREIGN KEY (organization_id, account_id) REFERENCES account,
    CONSTRAINT days_to_come CHECK (by_day > from_day)
);

INSERT INTO account_day (organization_id, account_id, day, balance)
SELECT organization_id, account_id, day,
       sum(moved) OVER (PARTITION BY organization_id, account_id ORDER BY day)
FROM (
    SELECT organization_id, account_id, (posted_at AT TIME ZONE 'UTC')::date AS day, sum(amount) AS moved
    FROM (
        SELECT organization_id, credit_account_id AS account_id, posted_at, amount FROM posting
        WHERE kind IN ('post', 'settle', 'reverse')
        UNION ALL
        SELECT organization_id, debit_account_id, posted_at, -amount FROM posting
        WHERE kind IN ('post', 'settle', 'reverse')
    ) AS sides
    GROUP BY organization_id, account_id, day
) AS days
WHERE (organization_id, account_id) IN (
    SELECT organization_id, id FROM account WHERE kind NOT IN ('WORLD', 'CLEARING')
);

INSERT INTO rule_day (organization_id, day, rule_id, source_account_id, destination_account_id, moved, transfers,
                      returned)
SELECT organization_id, day, rule_id, source_account_id, destination_account_id, sum(moved), sum(transfers),
       sum(returned)
FROM (
    SELECT organization_id, (completed_at AT TIME ZONE 'UTC')::date AS day, rule_id, source_account_id,
           destination_account_id, amount AS moved, 1 AS transfers, 0 AS returned
    FROM transfer WHERE mode = 'LIVE' AND rule_id IS NOT NULL AND completed_at IS NOT NULL
    UNION ALL
    SELECT organization_id, (returned_at AT TIME ZONE 'UTC')::date, rule_id, source_account_id,
           destination_account_id, 0, 0, amount
    FROM transfer WHERE mode = 'LIVE' AND rule_id IS NOT NULL AND completed_at IS NOT NULL AND returned_at IS NOT NULL
) AS each_transfer
GROUP BY organization_id, day, rule_id, source_account_id, destination_account_id;

-- Runs in which something failed, the latest first. Others are not in it, and pay nothing.
CREATE INDEX execution_failed ON execution (organization_id, id DESC)
    WHERE mode = 'LIVE' AND status IN ('FAILED', 'PARTIAL');
-- Payments at a bank, by when they are expected to settle.
CREATE INDEX leg_expected ON transfer_leg (organization_id, expected_at, id) WHERE status = 'PENDING';
-- Has a person ever enabled this revision?
CREATE INDEX approval_of_rule ON approval (organization_id, rule_id, revision);

GRANT SELECT, INSERT, UPDATE ON account_day, rule_day, account_target TO sluiceway_app;
GRANT DELETE ON account_target TO sluiceway_app;
