-- What the catalogue says of the schema, and the statements that spread each part of it over a cluster. They are made
-- here, where names are quoted; they call functions that only Citus has.

-- name: tables
-- A table without an organization is not spread unless somebody has said how.
SELECT c.relname,
       CASE WHEN c.relname = 'organization'
            THEN 'SELECT create_distributed_table(''organization'', ''id'', colocate_with => ''none'')'
            WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id')
            THEN format('SELECT create_distributed_table(%%L, ''organization_id'', colocate_with => ''organization'')',
                        c.relname)
       END,
       format('SELECT create_reference_table(%%L)', c.relname)
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname;

-- name: foreign_keys
-- Between different tables. One that closes a circle is taken away while its tables are spread, and comes back.
SELECT t.relname, r.relname, k.conname, format('ALTER TABLE %%I DROP CONSTRAINT %%I', t.relname, k.conname),
       format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', t.relname, k.conname, pg_get_constraintdef(k.oid))
FROM pg_constraint k
JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_class r ON r.oid = k.confrelid
WHERE k.contype = 'f' AND k.conparentid = 0 AND t.oid <> r.oid AND t.relnamespace = current_schema()::regnamespace
ORDER BY t.relname, k.conname;
