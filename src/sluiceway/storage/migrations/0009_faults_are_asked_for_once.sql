-- What shall go wrong at the sandbox bank is asked for once: a call that is repeated, elsewhere or after a crash, adds
-- nothing. Faults go when they have been met, so who has asked is remembered apart. Locks: none, the table is new.
CREATE TABLE bank_fault_asked (
    organization_id uuid NOT NULL REFERENCES bank_book,
    id uuid NOT NULL,
    PRIMARY KEY (organization_id, id)
);
GRANT SELECT, INSERT ON bank_fault_asked TO sluiceway_app;
