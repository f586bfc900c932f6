-- The sandbox bank: a simulated bank's own books, for organizations in sandbox mode. Locks: none that matter, every
-- table is new.
--
-- Nothing here refers to the ledger's tables but for the organization: a bank knows its customers' accounts and
-- payments by their ids and keeps books of its own, which is what lets the audit compare the two.

-- The bank's book for one organization, and the lock that serializes everything it does. `reached_at`: the instant up to which
-- everything has happened; `entries` and `reports`: how many there are, so that the next one is numbered.
CREATE TABLE bank_book (
    organization_id uuid PRIMARY KEY REFERENCES organization,
    reached_at timestamptz NOT NULL,
    entries bigint NOT NULL DEFAULT 0 CHECK (entries >= 0),
    reports bigint NOT NULL DEFAULT 0 CHECK (reports >= 0)
) WITH (fillfactor = 70);

-- An account at the bank. Of a liability, `balance` is the debt; it has nothing available.
CREATE TABLE bank_account (
    organization_id uuid NOT NULL REFERENCES bank_book,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DEPOSITORY', 'INVESTMENT', 'LIABILITY')),
    holder_name text,
    currency text NOT NULL,
    state text NOT NULL CHECK (state IN ('OPEN', 'CLOSED', 'FROZEN', 'DISCONNECTED')),
    opening_balance bigint NOT NULL,
    opening_available bigint,
    balance bigint NOT NULL,
    available bigint,
    last_statement_balance bigint,
    last_statement_date date,
    next_payment_minimum bigint,
    next_payment_due_date date,
    interest_rate bigint,
    original_loan_amount bigint,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT debts_are_not_available CHECK ((kind = 'LIABILITY') = (available IS NULL)),
    CONSTRAINT debts_were_never_available CHECK ((kind = 'LIABILITY') = (opening_available IS NULL))
) WITH (fillfactor = 70);

-- What was handed over, once for each key. `due_at`: when something will become of it; `calls`: how often it was
-- handed over; `is_booked`: its money has moved (a push to a closed account settles and never does).
CREATE TABLE bank_payment (
    organization_id uuid NOT NULL REFERENCES bank_book,
    key uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('PULL', 'PUSH')),
    account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    beneficiary_name text,
    description text,
    is_direct_deposit boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('REFUSED', 'ACCEPTED', 'SETTLED', 'RETURNED', 'CANCELLED')),
    refusal text,
    handed_over_at timestamptz NOT NULL,
    expected_at timestamptz,
    due_at timestamptz,
    settled_at timestamptz,
    ended_at timestamptz,
    return_code text CHECK (return_code IN ('R01', 'R02', 'R03', 'R10', 'R16', 'R29')),
    is_booked boolean NOT NULL,
    calls bigint NOT NULL CHECK (calls >= 1),
    PRIMARY KEY (organization_id, key),
    CONSTRAINT refused_with_a_code CHECK ((state = 'REFUSED') = (refusal IS NOT NULL)),
    CONSTRAINT expected_unless_refused CHECK ((state = 'REFUSED') = (expected_at IS NULL)),
    CONSTRAINT due_until_settled CHECK (state <> 'ACCEPTED' OR (due_at IS NOT NULL AND settled_at IS NULL)),
    CONSTRAINT settled_when_settled CHECK (state <> 'SETTLED' OR settled_at IS NOT NULL),
    CONSTRAINT due_again_to_be_returned CHECK (state <> 'SETTLED' OR (due_at IS NULL) = (return_code IS NULL)),
    CONSTRAINT returned_with_a_code CHECK (state <> 'RETURNED' OR return_code IS NOT NULL),
    CONSTRAINT ended_when_ended CHECK ((state IN ('RETURNED', 'CANCELLED')) = (ended_at IS NOT NULL)),
    CONSTRAINT ended_is_not_due CHECK (state IN ('ACCEPTED', 'SETTLED') OR due_at IS NULL),
    CONSTRAINT booked_when_settled CHECK (NOT is_booked OR settled_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX bank_payment_due ON bank_payment (organization_id, due_at, key) WHERE due_at IS NOT NULL;

-- Positive is money in; into a liability that is a payment. `id` says what it comes from, so that nothing is booked
-- twice.
CREATE TABLE bank_entry (
    organization_id uuid NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    id text NOT NULL,
    account_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    booked_at timestamptz NOT NULL,
    description text,
    payment_key uuid,
    PRIMARY KEY (organization_id, number),
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, account_id) REFERENCES bank_account,
    FOREIGN KEY (organization_id, payment_key) REFERENCES bank_payment
);
CREATE INDEX bank_entry_of_account ON bank_entry (organization_id, account_id, number);

-- What the bank has to tell, in order. `account_id` is one that Sluiceway keeps, which the bank's books do not have.
CREATE TABLE bank_report (
    organization_id uuid NOT NULL REFERENCES bank_book,
    number bigint NOT NULL CHECK (number >= 1),
    id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('SETTLED', 'RETURNED', 'DEPOSITED', 'WITHDRAWN')),
    happened_at timestamptz NOT NULL,
    payment_key uuid,
    return_code text,
    account_id uuid,
    amount bigint,
    description text,
    payee_name text,
    PRIMARY KEY (organization_id, number),
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, payment_key) REFERENCES bank_payment,
    CONSTRAINT of_a_payment_or_of_an_account CHECK (
        (kind IN ('SETTLED', 'RETURNED')) = (payment_key IS NOT NULL)
        AND (kind IN ('DEPOSITED', 'WITHDRAWN')) = (account_id IS NOT NULL AND amount IS NOT NULL)
    ),
    CONSTRAINT returns_have_a_code CHECK ((kind = 'RETURNED') = (return_code IS NOT NULL))
);

-- What will happen outside, planned ahead.
CREATE TABLE bank_event (
    organization_id uuid NOT NULL REFERENCES bank_book,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DEPOSIT', 'WITHDRAWAL', 'TRANSACTION', 'STATEMENT')),
    account_id uuid NOT NULL,
    happens_at timestamptz NOT NULL,
    amount bigint NOT NULL,
    description text,
    payee_name text,
    state text NOT NULL CHECK (state IN ('PLANNED', 'HAPPENED', 'SKIPPED')),
    PRIMARY KEY (organization_id, id),
    CONSTRAINT amounts_as_the_kind_has_it CHECK (
        CASE kind WHEN 'STATEMENT' THEN amount = 0 WHEN 'TRANSACTION' THEN amount <> 0 ELSE amount > 0 END
    )
);
CREATE INDEX bank_event_due ON bank_event (organization_id, happens_at, id) WHERE state = 'PLANNED';
CREATE INDEX bank_event_to_report ON bank_event (organization_id, happens_at)
    WHERE state = 'PLANNED' AND kind IN ('DEPOSIT', 'WITHDRAWAL');

-- What shall go wrong, in the order in which it was asked for.
CREATE TABLE bank_fault (
    organization_id uuid NOT NULL REFERENCES bank_book,
    call text NOT NULL CHECK (call IN ('submit', 'inquire', 'cancel', 'reports', 'balances', 'transactions')),
    number bigint NOT NULL,
    fault text NOT NULL CHECK (fault IN ('UNAVAILABLE', 'LOST_REPLY', 'TWICE', 'REFUSED')),
    times bigint NOT NULL CHECK (times >= 1),
    PRIMARY KEY (organization_id, call, number),
    CONSTRAINT faults_fit_their_call CHECK (
        (fault <> 'TWICE' OR call = 'reports') AND (fault <> 'REFUSED' OR call = 'submit')
    )
);

GRANT SELECT, INSERT, UPDATE ON bank_book, bank_account, bank_payment, bank_event, bank_fault TO sluiceway_app;
GRANT SELECT, INSERT ON bank_entry, bank_report TO sluiceway_app;
GRANT DELETE ON bank_fault TO sluiceway_app;
