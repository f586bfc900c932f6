-- A ledger as it would be written without much thought: accounts, transfers, and two entries for each.
CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 70);
CREATE TABLE transfer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL REFERENCES account,
    destination_id bigint NOT NULL REFERENCES account,
    amount bigint NOT NULL CHECK (amount > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE entry (
    transfer_id bigint NOT NULL REFERENCES transfer,
    account_id bigint NOT NULL REFERENCES account,
    amount bigint NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (transfer_id, account_id)
);
INSERT INTO account SELECT id, 1000000000000 FROM generate_series(1, 500) AS id;
