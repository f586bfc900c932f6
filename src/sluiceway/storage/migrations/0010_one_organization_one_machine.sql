-- What has to be so before the schema can be spread over machines by organization, and does no harm before.
-- Locks: three constraints are dropped and a column without default is added, each at once.
--
-- Credentials are looked up before the organization is known, so every machine has all of them: nothing in them can
-- point at a row that only one machine has. They never had to hold anything: organizations and rules are never deleted.

ALTER TABLE api_key DROP CONSTRAINT api_key_organization_id_fkey;
ALTER TABLE access_token DROP CONSTRAINT access_token_organization_id_fkey;
ALTER TABLE rule_secret DROP CONSTRAINT rule_secret_organization_id_rule_id_fkey;

-- Of the last batch: with it a head moves on in one plain statement.
ALTER TABLE audit_head ADD COLUMN digest bytea;
