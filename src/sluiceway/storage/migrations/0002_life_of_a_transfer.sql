-- Clocks, schedules that fire, legs handed to banks, approvals, remote amounts, ACH limits, feeds.
-- Locks: new columns have constant defaults, so nothing is rewritten. The new constraints and the new indexes read
-- their tables once, under lock: some seconds with millions of rows.
--
-- due_at is by the organization's clock; -infinity means at once, whatever any clock says. leased_until is by the clock
-- of the machine that leases: it decides when somebody else may try, and never who is right. That is what fence is for.

ALTER TABLE organization
    ADD COLUMN clock_offset interval NOT NULL DEFAULT '0',
    ADD COLUMN frozen_at timestamptz,
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN approval_lasts interval NOT NULL DEFAULT '24 hours' CHECK (approval_lasts > '0'),
    ADD COLUMN handover_delay interval NOT NULL DEFAULT '0' CHECK (handover_delay >= '0'),
    ADD CONSTRAINT live_clocks_are_real CHECK (mode = 'sandbox' OR (clock_offset = '0' AND frozen_at IS NULL));

ALTER TABLE api_key ADD COLUMN approval_above bigint CHECK (approval_above >= 0);

-- overdrawn: how far returns have pushed an account below its floor. linked_account_id: a holding pod names its liability.
ALTER TABLE account
    ADD COLUMN overdrawn bigint NOT NULL DEFAULT 0 CHECK (overdrawn >= 0),
    ADD COLUMN linked_account_id uuid,
    DROP CONSTRAINT account_kind_check,
    ADD CONSTRAINT account_kind_check
        CHECK (kind IN ('INCOME_SOURCE', 'POD', 'EXTERNAL_ACCOUNT', 'WORLD', 'CLEARING')),
    DROP CONSTRAINT never_below_floor,
    ADD CONSTRAINT never_below_floor
        CHECK (kind IN ('EXTERNAL_ACCOUNT', 'WORLD') OR posted - held_out >= floor - overdrawn),
    ADD CONSTRAINT pods_hold_for_liabilities CHECK (linked_account_id IS NULL OR kind = 'POD'),
    ADD FOREIGN KEY (organization_id, linked_account_id) REFERENCES account;
CREATE UNIQUE INDEX one_holding_pod ON account (organization_id, linked_account_id)
    WHERE linked_account_id IS NOT NULL AND deleted_at IS NULL;
-- Where money rests between two banks.
CREATE UNIQUE INDEX one_clearing_per_currency ON account (organization_id, currency) WHERE kind = 'CLEARING';
INSERT INTO account (organization_id, id, kind, currency, name, created_at, updated_at)
SELECT organization_id, gen_random_uuid(), 'CLEARING', currency, 'Money between banks', created_at, created_at
FROM account WHERE kind = 'WORLD';

-- next_nominal is the local time that next_fire_at stands for; NULL with a next_fire_at: work it out, do not run.
ALTER TABLE rule
    ADD COLUMN secret text,
    ADD COLUMN next_fire_at timestamptz,
    ADD COLUMN next_nominal timestamp,
    ADD CONSTRAINT only_enabled_rules_fire CHECK (next_fire_at IS NULL OR approval_id IS NOT NULL);
CREATE INDEX rule_to_fire ON rule (organization_id, next_fire_at) WHERE next_fire_at IS NOT NULL;
UPDATE rule SET next_fire_at = '-infinity' WHERE trigger_type = 'SCHEDULED' AND approval_id IS NOT NULL;

-- nominal: the occurrence that runs; awaited: the one that the rule waited for, earlier where some were missed.
-- approval_above: what the key that triggered it may move without a person.
-- stage: what has to be done next. GATHER: refresh balances, ask for amounts (gather_step: of which step).
ALTER TABLE execution
    ADD COLUMN stage text NOT NULL DEFAULT 'SETTLE' CHECK (stage IN ('GATHER', 'SETTLE')),
    ADD COLUMN is_refresh_due boolean NOT NULL DEFAULT false,
    ADD COLUMN gather_step smallint,
    ADD COLUMN scheduled_for timestamptz,
    ADD COLUMN nominal timestamp,
    ADD COLUMN awaited timestamp,
    ADD COLUMN leased_until timestamptz,
    ADD COLUMN fence bigint NOT NULL DEFAULT 0,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN approval_above bigint CHECK (approval_above >= 0),
    ADD CONSTRAINT occurrences_have_an_instant CHECK ((nominal IS NULL) = (scheduled_for IS NULL));
-- Never twice for the same occurrence, whoever fires it and however often the rule is edited.
CREATE UNIQUE INDEX execution_of_occurrence ON execution (organization_id, rule_id, nominal) WHERE nominal IS NOT NULL;
CREATE INDEX execution_to_gather ON execution (organization_id, due_at, id)
    WHERE due_at IS NOT NULL AND stage = 'GATHER';
UPDATE execution SET due_at = '-infinity' WHERE due_at IS NOT NULL;

-- What a remote service answered: recorded before it is used, never asked for again.
CREATE TABLE remote_amount (
    organization_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    step smallint NOT NULL,
    action smallint NOT NULL,
    amount bigint CHECK (amount >= 0),
    problem text,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, execution_id, step, action),
    FOREIGN KEY (organization_id, execution_id) REFERENCES execution,
    CONSTRAINT an_amount_or_a_problem CHECK ((amount IS NULL) <> (problem IS NULL))
);

ALTER TABLE transfer
    ADD COLUMN staged_account_id uuid,
    ADD COLUMN approval_expires_at timestamptz,
    ADD COLUMN decided_by uuid,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN status_reason text,
    ADD COLUMN returned_at timestamptz,
    ADD COLUMN return_code text,
    ADD COLUMN is_direct_deposit boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT completed_when_complete,
    ADD CONSTRAINT completed_when_complete CHECK (
        (status = 'COMPLETE' AND completed_at IS NOT NULL) OR (status <> 'COMPLETE' AND completed_at IS NULL)
        OR returned_at IS NOT NULL
    ),
    ADD CONSTRAINT approvals_end CHECK (status <> 'PENDING_APPROVAL' OR approval_expires_at IS NOT NULL),
    ADD FOREIGN KEY (organization_id, staged_account_id) REFERENCES account,
    ADD FOREIGN KEY (organization_id, decided_by) REFERENCES person;
CREATE INDEX transfer_to_approve ON transfer (organization_id, approval_expires_at) WHERE status = 'PENDING_APPROVAL';

-- attempts: how often it was claimed; failures: how often the bank did not answer.
-- One payment that a bank carries. Its id is the bank's idempotency key; the first leg has the id of its transfer.
CREATE TABLE transfer_leg (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    sequence smallint NOT NULL CHECK (sequence >= 0),
    purpose text NOT NULL CHECK (purpose IN ('PULL', 'PUSH', 'REVERSAL')),
    account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    status text NOT NULL CHECK (status IN ('PROCESSING', 'PENDING', 'SETTLED', 'RETURNED', 'REFUSED', 'CANCELLED')),
    is_automatic boolean NOT NULL,
    description text,
    is_direct_deposit boolean NOT NULL DEFAULT false,
    due_at timestamptz,
    leased_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    error_code text,
    return_code text,
    created_at timestamptz NOT NULL,
    submitted_at timestamptz,
    expected_at timestamptz,
    settled_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, transfer_id, sequence),
    FOREIGN KEY (organization_id, transfer_id) REFERENCES transfer,
    FOREIGN KEY (organization_id, account_id) REFERENCES account,
    CONSTRAINT due_while_processing CHECK ((status = 'PROCESSING') = (due_at IS NOT NULL))
);
CREATE INDEX leg_to_hand_over ON transfer_leg (organization_id, due_at, id) WHERE due_at IS NOT NULL;
-- Transfers that were waiting for a bank to come.
INSERT INTO transfer_leg (organization_id, id, transfer_id, sequence, purpose, account_id, amount, status, is_automatic,
                          due_at, created_at)
SELECT t.organization_id, t.id, t.id, 0, CASE WHEN s.kind = 'EXTERNAL_ACCOUNT' THEN 'PULL' ELSE 'PUSH' END,
       CASE WHEN s.kind = 'EXTERNAL_ACCOUNT' THEN s.id ELSE t.destination_account_id END, t.amount, 'PROCESSING',
       t.origin = 'RULE', '-infinity', t.created_at
FROM transfer t
JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
WHERE t.status = 'PROCESSING' AND t.mode = 'LIVE';

-- What is fetched from outside with a cursor: a bank's reports (subject: the organization), an external account.
-- hurried_to: somebody has asked for a look by then while one was under way, which may have been too early to see it.
CREATE TABLE feed (
    organization_id uuid NOT NULL REFERENCES organization,
    subject_id uuid NOT NULL,
    cursor text,
    due_at timestamptz,
    hurried_to timestamptz,
    leased_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, subject_id)
);
CREATE INDEX feed_due ON feed (organization_id, due_at) WHERE due_at IS NOT NULL;
INSERT INTO feed (organization_id, subject_id, due_at) SELECT id, id, '-infinity' FROM organization;
INSERT INTO feed (organization_id, subject_id, due_at)
SELECT organization_id, id, '-infinity' FROM account WHERE kind = 'EXTERNAL_ACCOUNT' AND deleted_at IS NULL;

-- Reports that have been applied: one that comes twice is applied once.
CREATE TABLE rail_report (
    organization_id uuid NOT NULL REFERENCES organization,
    id text NOT NULL,
    applied_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);

-- What happened on external accounts, by the bank's own identity.
CREATE TABLE external_transaction (
    organization_id uuid NOT NULL,
    account_id uuid NOT NULL,
    bank_id text NOT NULL,
    id uuid NOT NULL,
    amount bigint NOT NULL,
    description text,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, account_id, bank_id),
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, account_id) REFERENCES account
);
-- Lists walk it, the latest first.
CREATE INDEX external_transaction_of_account ON external_transaction (organization_id, account_id, happened_at DESC,
                                                                      id DESC);

-- side CREDIT: pushes; DEBIT: pulls. NULL: no limit.
CREATE TABLE ach_limit (
    organization_id uuid NOT NULL REFERENCES organization,
    side text NOT NULL CHECK (side IN ('CREDIT', 'DEBIT')),
    period text NOT NULL CHECK (period IN ('DAY', 'MONTH')),
    amount bigint CHECK (amount >= 0),
    transfers integer CHECK (transfers >= 0),
    PRIMARY KEY (organization_id, side, period)
);
CREATE TABLE ach_used (
    organization_id uuid NOT NULL REFERENCES organization,
    side text NOT NULL CHECK (side IN ('CREDIT', 'DEBIT')),
    period text NOT NULL CHECK (period IN ('DAY', 'MONTH')),
    starts_on date NOT NULL,
    amount bigint NOT NULL DEFAULT 0 CHECK (amount >= 0),
    transfers integer NOT NULL DEFAULT 0 CHECK (transfers >= 0),
    PRIMARY KEY (organization_id, side, period, starts_on)
);

GRANT SELECT, INSERT, UPDATE ON transfer_leg, feed, ach_limit, ach_used TO sluiceway_app;
GRANT SELECT, INSERT ON remote_amount, rail_report, external_transaction TO sluiceway_app;
GRANT DELETE ON ach_limit, feed TO sluiceway_app;
