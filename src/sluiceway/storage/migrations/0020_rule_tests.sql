-- Tests that people keep with a rule: what is given, what happens, and what is expected to come of it. They run on every
-- edit and move nothing; of a rule that is deleted they stay, as its runs do. Locks: none but on the new table.
CREATE TABLE rule_test (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    rule_id uuid NOT NULL,
    name text NOT NULL,
    example jsonb NOT NULL CHECK (jsonb_typeof(example) = 'object'),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, rule_id) REFERENCES rule,
    CONSTRAINT one_test_of_a_name UNIQUE (organization_id, rule_id, name)
);

GRANT SELECT, INSERT, DELETE ON rule_test TO sluiceway_app;
