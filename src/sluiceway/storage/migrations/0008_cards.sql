-- Cards: what is issued on a pod, what a card has paid and been paid back, and postings that belong to it.
-- Locks: posting is locked against everything. Its new column rewrites nothing; the new constraints and the unique index
-- that takes the place of its primary key each read it once: some seconds with ten million rows.
--
-- A posting belongs to a transfer or to a card transaction. Each of the two has an index of its own that leaves out the
-- other's rows, so a transfer's posting is written into one index, as before.

-- account_id: where the card pays from now; of an OMNI_CARD it can be switched. expires_on: the last day it pays.
CREATE TABLE card (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('DEBIT_CARD', 'OMNI_CARD')),
    type text NOT NULL CHECK (type IN ('VIRTUAL', 'PHYSICAL')),
    status text NOT NULL CHECK (status IN ('ACTIVE', 'INACTIVE', 'FROZEN', 'STOLEN', 'LOST')),
    last_four text NOT NULL CHECK (last_four ~ '^[0-9]{4}$'),
    holder_name text NOT NULL,
    expires_on date NOT NULL,
    created_at timestamptz NOT NULL,
    FOREIGN KEY (organization_id, account_id) REFERENCES account
);
CREATE INDEX card_of_account ON card (organization_id, account_id, id DESC);
-- The last of the indexes: among equals, as they are while the table has no statistics, the planner takes the latest.
ALTER TABLE card ADD PRIMARY KEY (organization_id, id);

-- Append-only but for `refunded`: how much of a purchase has been given back by refunds that name it.
-- account_id: where the card paid from at the time.
CREATE TABLE card_transaction (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    card_id uuid NOT NULL,
    account_id uuid NOT NULL,
    direction text NOT NULL CHECK (direction IN ('MONEY_OUT', 'MONEY_IN')),
    subtype text NOT NULL CHECK (subtype IN ('PURCHASE', 'REFUND')),
    status text NOT NULL CHECK (status IN ('COMPLETE', 'DECLINED')),
    decline_reason text CHECK (
        decline_reason IN ('CARD_NOT_ACTIVE', 'CARD_EXPIRED', 'ISSUER_DECLINED', 'INSUFFICIENT_FUNDS')
    ),
    amount bigint NOT NULL CHECK (amount > 0),
    description text NOT NULL,
    purchase_id uuid,
    refunded bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    key_id uuid,
    created_at timestamptz NOT NULL,
    completed_at timestamptz,
    FOREIGN KEY (organization_id, card_id) REFERENCES card,
    FOREIGN KEY (organization_id, account_id) REFERENCES account,
    CONSTRAINT purchases_go_out CHECK ((subtype = 'PURCHASE') = (direction = 'MONEY_OUT')),
    CONSTRAINT only_purchases_are_declined CHECK (subtype = 'PURCHASE' OR status = 'COMPLETE'),
    CONSTRAINT declined_for_a_reason CHECK ((status = 'DECLINED') = (decline_reason IS NOT NULL)),
    CONSTRAINT settled_when_complete CHECK ((status = 'COMPLETE') = (completed_at IS NOT NULL)),
    CONSTRAINT only_refunds_give_back CHECK (purchase_id IS NULL OR subtype = 'REFUND'),
    CONSTRAINT given_back_at_most_once CHECK (
        refunded <= CASE WHEN subtype = 'PURCHASE' AND status = 'COMPLETE' THEN amount ELSE 0 END
    )
);
CREATE INDEX card_transaction_of_card ON card_transaction (organization_id, card_id, id DESC);
CREATE INDEX card_transaction_of_account ON card_transaction (organization_id, account_id, id DESC)
    WHERE status = 'COMPLETE';
ALTER TABLE card_transaction
    ADD PRIMARY KEY (organization_id, id),
    ADD FOREIGN KEY (organization_id, purchase_id) REFERENCES card_transaction;

ALTER TABLE posting
    DROP CONSTRAINT posting_pkey,
    ALTER COLUMN transfer_id DROP NOT NULL,
    ADD COLUMN card_transaction_id uuid,
    ADD FOREIGN KEY (organization_id, card_transaction_id) REFERENCES card_transaction,
    ADD CONSTRAINT of_a_transfer_or_a_card CHECK (num_nonnulls(transfer_id, card_transaction_id) = 1),
    ADD CONSTRAINT cards_post_at_once CHECK (card_transaction_id IS NULL OR (kind = 'post' AND sequence = 0));
CREATE UNIQUE INDEX posting_of_transfer ON posting (organization_id, transfer_id, sequence)
    WHERE transfer_id IS NOT NULL;
CREATE UNIQUE INDEX posting_of_card_transaction ON posting (organization_id, card_transaction_id)
    WHERE card_transaction_id IS NOT NULL;

-- The sandbox issuer's own book: each row declines one purchase of a card. purchase_key: the one that it has declined.
CREATE TABLE issuer_decline (
    organization_id uuid NOT NULL,
    card_id uuid NOT NULL,
    asked_id uuid NOT NULL,
    number integer NOT NULL,
    purchase_key text,
    PRIMARY KEY (organization_id, card_id, asked_id, number),
    FOREIGN KEY (organization_id, card_id) REFERENCES card
);

GRANT SELECT, INSERT ON card, card_transaction, issuer_decline TO sluiceway_app;
GRANT UPDATE (status, account_id) ON card TO sluiceway_app;
GRANT UPDATE (refunded) ON card_transaction TO sluiceway_app;
GRANT UPDATE (purchase_key) ON issuer_decline TO sluiceway_app;
