-- name: insert_organization
-- With its world account, or money could neither enter nor leave.
INSERT INTO organization (id, name, mode, created_at) VALUES (%(id)s::uuid, %(name)s, %(mode)s, %(at)s);

-- name: find_organizations
-- The mode decides whether sandbox operations exist, the minimum how small a transfer may be.
SELECT id, name, mode, minimum_transfer FROM organization WHERE id = ANY (%(ids)s::uuid[]);

-- name: list_organizations
-- For operators at the command line and the audit; an installation has few.
SELECT id, name, mode, minimum_transfer FROM organization ORDER BY id;

-- name: lock_organizations
-- The gate of settlement and of everything that changes rules or deletes accounts: one of them at a time for each
-- organization, so that rules of one account keep their order and a disabled rule moves nothing more. In id order.
-- NO KEY UPDATE, or it would stop every insert that points at the organization.
SELECT id, name, mode, minimum_transfer FROM organization
WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: lock_free_organizations
-- For workers: what another worker is settling is left to it.
SELECT id, name, mode, minimum_transfer FROM organization
WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;
