-- The foundation: organizations, people, keys, accounts, rules with revisions and approvals, executions, transfers,
-- postings, running caps, idempotency, outbox. Locks: none that matter, every table is new.
--
-- Every primary key, unique index and foreign key begins with organization_id, so that the schema can be distributed by
-- organization. The exceptions are organization itself and api_key.secret_hash: small tables that are looked up before
-- the organization is known.

-- The role that the application works under. Roles belong to the cluster, so another database may have made it already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluiceway_app') THEN
        CREATE ROLE sluiceway_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
-- Being a member is not enough since PostgreSQL 16: whoever creates a role becomes one without the right to SET ROLE.
DO $$
BEGIN
    SET LOCAL ROLE sluiceway_app;
    RESET ROLE;
EXCEPTION WHEN insufficient_privilege THEN
    GRANT sluiceway_app TO CURRENT_USER;
END
$$;

CREATE TABLE organization (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    minimum_transfer bigint NOT NULL DEFAULT 100 CHECK (minimum_transfer >= 1),
    created_at timestamptz NOT NULL
);

CREATE TABLE person (
    organization_id uuid NOT NULL REFERENCES organization,
    id uuid NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, email)
);

CREATE TABLE api_key (
    organization_id uuid NOT NULL REFERENCES organization,
    id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    grants jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id)
);

-- fillfactor: balances change all the time and none of their columns is indexed, so updates stay on their page.
CREATE TABLE account (
    organization_id uuid NOT NULL REFERENCES organization,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('INCOME_SOURCE', 'POD', 'EXTERNAL_ACCOUNT', 'WORLD')),
    external_kind text CHECK (external_kind IN ('DEPOSITORY', 'INVESTMENT', 'LIABILITY')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    name text NOT NULL,
    description text,
    icon text,
    beneficiary_name text,
    institution_name text,
    routing_number text,
    account_number text,
    posted bigint NOT NULL DEFAULT 0,
    held_out bigint NOT NULL DEFAULT 0 CHECK (held_out >= 0),
    expected_in bigint NOT NULL DEFAULT 0 CHECK (expected_in >= 0),
    floor bigint NOT NULL DEFAULT 0,
    reported_balance bigint,
    reported_available bigint,
    last_statement_balance bigint,
    last_statement_date date,
    next_payment_minimum bigint,
    next_payment_due_date date,
    interest_rate bigint,
    original_loan_amount bigint,
    reported_at timestamptz,
    reported_error text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT external_kind_of_external_accounts CHECK ((kind = 'EXTERNAL_ACCOUNT') = (external_kind IS NOT NULL)),
    CONSTRAINT external_accounts_hold_no_money CHECK (kind <> 'EXTERNAL_ACCOUNT' OR posted = 0),
    CONSTRAINT never_below_floor CHECK (kind IN ('EXTERNAL_ACCOUNT', 'WORLD') OR posted - held_out >= floor),
    CONSTRAINT deleted_accounts_are_empty CHECK (
        deleted_at IS NULL OR kind = 'EXTERNAL_ACCOUNT' OR (posted = 0 AND held_out = 0 AND expected_in = 0)
    )
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX one_world_per_currency ON account (organization_id, currency) WHERE kind = 'WORLD';

CREATE TABLE rule (
    organization_id uuid NOT NULL REFERENCES organization,
    id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    approval_id uuid,
    fingerprint bytea NOT NULL,
    trigger_type text NOT NULL,
    trigger_account_id uuid,
    source_account_id uuid,
    position bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT deleted_rules_are_disabled CHECK (deleted_at IS NULL OR approval_id IS NULL)
);
-- Which enabled rules does money arriving at an account fire, in order?
CREATE INDEX rule_fired_by_funds ON rule (organization_id, trigger_account_id, position, id)
    WHERE trigger_type = 'ON_FUNDS_TRANSFERRED' AND approval_id IS NOT NULL;

CREATE TABLE rule_revision (
    organization_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    revision integer NOT NULL,
    definition jsonb NOT NULL,
    fingerprint bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, rule_id, revision),
    UNIQUE (organization_id, rule_id, revision, fingerprint),
    FOREIGN KEY (organization_id, rule_id) REFERENCES rule
);

-- A person's signature under exactly one revision. Revoked when the rule is disabled, edited or deleted.
CREATE TABLE approval (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    rule_id uuid NOT NULL,
    revision integer NOT NULL,
    fingerprint bytea NOT NULL,
    person_id uuid NOT NULL,
    approved_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, id, rule_id, revision, fingerprint),
    FOREIGN KEY (organization_id, rule_id, revision, fingerprint)
        REFERENCES rule_revision (organization_id, rule_id, revision, fingerprint),
    FOREIGN KEY (organization_id, person_id) REFERENCES person
);
-- A rule is enabled exactly while it names an approval, and that approval is of its present revision.
ALTER TABLE rule ADD CONSTRAINT enabled_as_approved FOREIGN KEY (organization_id, approval_id, id, revision, fingerprint)
    REFERENCES approval (organization_id, id, rule_id, revision, fingerprint);

-- The primary keys of execution and transfer are made after their other indexes. While a table is new and has no
-- statistics, those indexes look as good as the key for a look-up by id, and among equals the planner takes the latest:
-- measured, a foreign key check on a young table then cost ten times as much.
--
-- due_at: work is waiting; NULL when it is planned or has ended. The row is the job.
CREATE TABLE execution (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    rule_id uuid NOT NULL,
    revision integer NOT NULL,
    fingerprint bytea NOT NULL,
    approval_id uuid,
    mode text NOT NULL DEFAULT 'LIVE' CHECK (mode IN ('LIVE', 'SIMULATION')),
    trigger_type text NOT NULL,
    transfer_amount bigint CHECK (transfer_amount >= 0),
    stands_in boolean NOT NULL DEFAULT false,
    cause_transfer_id uuid,
    origin_id uuid NOT NULL,
    depth smallint NOT NULL DEFAULT 0 CHECK (depth BETWEEN 0 AND 16),
    status text NOT NULL DEFAULT 'IN_PROGRESS' CHECK (status IN ('IN_PROGRESS', 'EXECUTED', 'PARTIAL', 'FAILED')),
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    step_matched smallint,
    conditions_not_met boolean NOT NULL DEFAULT false,
    attempted integer NOT NULL DEFAULT 0,
    completed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    pending integer NOT NULL DEFAULT 0,
    transfer_ids uuid[] NOT NULL DEFAULT '{}',
    error_message text,
    next_attempt_at timestamptz,
    trace json,
    FOREIGN KEY (organization_id, rule_id) REFERENCES rule,
    CONSTRAINT approved_by_a_person FOREIGN KEY (organization_id, approval_id, rule_id, revision, fingerprint)
        REFERENCES approval (organization_id, id, rule_id, revision, fingerprint),
    CONSTRAINT live_executions_are_approved CHECK (mode = 'SIMULATION' OR approval_id IS NOT NULL),
    CONSTRAINT ended_executions_are_not_due CHECK (status = 'IN_PROGRESS' OR due_at IS NULL),
    CONSTRAINT in_progress_is_due_or_pending CHECK (status <> 'IN_PROGRESS' OR due_at IS NOT NULL OR pending > 0),
    CONSTRAINT counts_add_up CHECK (completed + failed + pending <= attempted)
) WITH (fillfactor = 85);
CREATE INDEX execution_due ON execution (organization_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX execution_of_rule ON execution (organization_id, rule_id, id DESC);
CREATE INDEX execution_of_origin ON execution (organization_id, origin_id) WHERE origin_id <> id;
ALTER TABLE execution ADD PRIMARY KEY (organization_id, id);

CREATE TABLE transfer (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    execution_id uuid,
    rule_id uuid,
    step smallint,
    action smallint,
    part smallint,
    source_account_id uuid,
    destination_account_id uuid,
    amount bigint NOT NULL CHECK (amount > 0),
    direction text NOT NULL CHECK (direction IN ('MONEY_IN', 'MONEY_OUT', 'INTERNAL')),
    origin text NOT NULL,
    mode text NOT NULL DEFAULT 'LIVE' CHECK (mode IN ('LIVE', 'SIMULATION')),
    status text NOT NULL CHECK (
        status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING', 'COMPLETE', 'INCOMPLETE', 'ERROR', 'CANCELLED')
    ),
    error_code text,
    description text,
    key_id uuid,
    created_at timestamptz NOT NULL,
    completed_at timestamptz,
    FOREIGN KEY (organization_id, source_account_id) REFERENCES account,
    FOREIGN KEY (organization_id, destination_account_id) REFERENCES account,
    FOREIGN KEY (organization_id, execution_id) REFERENCES execution,
    CONSTRAINT money_goes_elsewhere CHECK (source_account_id <> destination_account_id),
    CONSTRAINT one_end_is_ours CHECK (source_account_id IS NOT NULL OR destination_account_id IS NOT NULL),
    CONSTRAINT completed_when_complete CHECK ((status = 'COMPLETE') = (completed_at IS NOT NULL)),
    CONSTRAINT failures_have_a_code CHECK ((status IN ('INCOMPLETE', 'ERROR')) = (error_code IS NOT NULL))
) WITH (fillfactor = 90);
CREATE INDEX transfer_from ON transfer (organization_id, source_account_id, id DESC);
CREATE INDEX transfer_to ON transfer (organization_id, destination_account_id, id DESC);
ALTER TABLE transfer ADD PRIMARY KEY (organization_id, id);

-- Append-only: the application's role may insert and read, nothing else.
CREATE TABLE posting (
    organization_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    sequence smallint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('post', 'hold', 'release', 'settle', 'reverse')),
    debit_account_id uuid NOT NULL,
    credit_account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    debit_after bigint NOT NULL,
    credit_after bigint NOT NULL,
    posted_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, transfer_id, sequence),
    FOREIGN KEY (organization_id, transfer_id) REFERENCES transfer,
    FOREIGN KEY (organization_id, debit_account_id) REFERENCES account,
    FOREIGN KEY (organization_id, credit_account_id) REFERENCES account,
    CHECK (debit_account_id <> credit_account_id)
);

-- How much of a group's cap has been used in a period.
CREATE TABLE cap_used (
    organization_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    step smallint NOT NULL,
    group_index smallint NOT NULL,
    period text NOT NULL,
    starts_on date NOT NULL,
    used bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (organization_id, rule_id, step, group_index, period, starts_on),
    FOREIGN KEY (organization_id, rule_id) REFERENCES rule
);

-- Written in the transaction of its effect, with the answer; `scope` is the operation and its path.
CREATE TABLE idempotency (
    organization_id uuid NOT NULL REFERENCES organization,
    scope text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status smallint NOT NULL,
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, scope, key)
);

-- What happened and has still to be told; deliveries read it in order of id.
CREATE TABLE outbox (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);

GRANT SELECT, INSERT, UPDATE ON
    organization, person, account, rule, execution, transfer, cap_used, idempotency TO sluiceway_app;
GRANT SELECT, INSERT ON api_key, rule_revision, approval, posting, outbox TO sluiceway_app;
GRANT UPDATE (revoked_at) ON api_key, approval TO sluiceway_app;
GRANT DELETE ON idempotency, outbox TO sluiceway_app;
