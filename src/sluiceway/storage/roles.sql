-- What the catalogue says of our roles. Names of tables and columns come from there, quoted; nothing of a caller's does.

-- name: missing_for_reading
-- What the role for reading cannot see yet and may, as statements for the owner: all but what opens doors. Nothing where
-- the tables are spread, since grants on columns do not reach every node.
SELECT format('GRANT SELECT (%%s) ON %%s TO %%I', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
              c.oid::regclass, r.rolname)
FROM pg_roles r, pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE r.rolname = %(role)s AND to_regclass('pg_dist_partition') IS NULL
    AND c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
    AND NOT c.relname || '.' || a.attname = ANY (%(hidden)s::text[])
    AND NOT has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
GROUP BY c.oid, r.rolname
UNION ALL
-- Whoever may be the application may also be less.
SELECT format('GRANT %%I TO %%I', r.rolname, a.rolname)
FROM pg_roles r, pg_roles a
WHERE r.rolname = %(role)s AND a.rolname = %(application)s AND NOT pg_has_role(a.oid, r.oid, 'MEMBER')
UNION ALL
SELECT format('GRANT USAGE ON SCHEMA %%I TO %%I', current_schema(), r.rolname)
FROM pg_roles r
WHERE r.rolname = %(role)s AND NOT has_schema_privilege(r.oid, current_schema(), 'USAGE');
