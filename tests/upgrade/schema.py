"""What a database is like: its schema as text, and a digest of what stands in given columns."""

import hashlib

import psycopg
from psycopg import sql

_SCHEMA = """
    SELECT format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT format('%s %s %s', c.relname, a.attname,
                            (SELECT string_agg(given::text, ' ' ORDER BY given::text)
                             FROM unnest(coalesce(a.attacl, c.relacl)) AS given))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    UNION ALL SELECT format('%s %s %s', p.tablename, p.policyname, p.qual) FROM pg_policies p
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('%s %s %s', version, name, sha256) FROM schema_migration
    ORDER BY 1
"""

Columns = dict[str, list[str]]


def schema_of(url: str) -> list[str]:
    """Tell all that migrations make."""
    with psycopg.connect(url, autocommit=True) as conn:
        return [line for (line,) in conn.execute(_SCHEMA).fetchall()]


def columns_of(url: str) -> Columns:
    """List the columns of every table that lasts."""
    query = """
        SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'
            AND c.relname <> 'schema_migration'
        GROUP BY c.relname ORDER BY c.relname
    """
    with psycopg.connect(url, autocommit=True) as conn:
        return dict(conn.execute(query).fetchall())


def digest_of(url: str, columns: Columns) -> str:
    """Hash what stands in these columns, in no order of rows."""
    digest = hashlib.sha256()
    with psycopg.connect(url, autocommit=True) as conn:
        for table, names in sorted(columns.items()):
            listed = sql.SQL(", ").join(map(sql.Identifier, names))
            query = sql.SQL(
                "SELECT count(*), coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) FROM (SELECT {} FROM {}) AS r"
            ).format(listed, sql.Identifier(table))
            digest.update(repr((table, conn.execute(query).fetchall())).encode())
    return digest.hexdigest()
