-- Credentials of the remote API: access tokens that see a beneficiary's accounts, secrets that run a rule. They work
-- only while the organization lets them. Locks: the new column has no default, so nothing is rewritten.
--
-- rule_secret is what programs show us to run a rule; rule.secret is what we show to a rule's remote services. Both new
-- tables are small and looked up before the organization is known, as api_key is.

ALTER TABLE organization ADD COLUMN remote_api_enabled_at timestamptz;

-- beneficiary_name: whose accounts the token sees; NULL: those that name nobody.
CREATE TABLE access_token (
    organization_id uuid NOT NULL REFERENCES organization,
    id uuid NOT NULL,
    beneficiary_name text,
    name text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE rule_secret (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    rule_id uuid NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, rule_id) REFERENCES rule
);

GRANT SELECT, INSERT ON access_token, rule_secret TO sluiceway_app;
GRANT UPDATE (revoked_at) ON access_token, rule_secret TO sluiceway_app;
