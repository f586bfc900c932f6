"""Stands in for Citus's functions: they spread nothing, and refuse what Citus refuses about tables and their keys.

The rules are those that Citus documents for `create_distributed_table`, `create_reference_table` and for foreign keys
between what they make. Its tables are in a schema of their own, which the search path of the given address names.
"""

from urllib.parse import quote, urlencode, urlsplit

import psycopg

_DOUBLE = """
    CREATE SCHEMA citus_double;
    CREATE TABLE citus_double.pg_dist_node (isactive boolean NOT NULL, shouldhaveshards boolean NOT NULL);
    CREATE TABLE citus_double.pg_dist_partition (
        logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, repmodel "char" NOT NULL, partkey text
    );
    GRANT USAGE ON SCHEMA citus_double TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA citus_double TO PUBLIC;

    CREATE FUNCTION citus_double.refuse_keys(spread regclass, is_reference boolean) RETURNS void
    LANGUAGE plpgsql AS $body$
    DECLARE
        key record;
        target record;
    BEGIN
        FOR key IN SELECT * FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = spread AND k.confrelid <> spread
        LOOP
            SELECT * INTO target FROM citus_double.pg_dist_partition p WHERE p.logicalrelid = key.confrelid;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'referenced table "%" must be a distributed table or a reference table',
                    key.confrelid::regclass USING ERRCODE = 'feature_not_supported';
            ELSIF is_reference AND target.partmethod = 'h' THEN
                RAISE EXCEPTION 'foreign keys from reference tables to distributed tables are not supported (%)',
                    key.conname USING ERRCODE = 'feature_not_supported';
            END IF;
        END LOOP;
    END
    $body$;

    CREATE FUNCTION citus_double.create_distributed_table(
        spread regclass, distribution_column text, colocate_with text DEFAULT 'default'
    ) RETURNS void LANGUAGE plpgsql AS $body$
    DECLARE
        bad text;
    BEGIN
        IF EXISTS (SELECT FROM citus_double.pg_dist_partition WHERE logicalrelid = spread) THEN
            RAISE EXCEPTION 'table "%" is already distributed', spread USING ERRCODE = 'invalid_table_definition';
        ELSIF colocate_with <> 'none' AND NOT EXISTS (
            SELECT FROM citus_double.pg_dist_partition WHERE logicalrelid = colocate_with::regclass AND partmethod = 'h'
        ) THEN
            RAISE EXCEPTION 'relation % is not distributed', colocate_with USING ERRCODE = 'feature_not_supported';
        END IF;
        SELECT i.indexrelid::regclass::text INTO bad FROM pg_index i
        WHERE i.indrelid = spread AND i.indisunique AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = spread AND a.attname = distribution_column
                AND a.attnum = ANY (i.indkey)
        );
        IF bad IS NOT NULL THEN
            RAISE EXCEPTION 'cannot create constraint on "%": % leaves the distribution column out', spread, bad
                USING ERRCODE = 'feature_not_supported';
        END IF;
        PERFORM citus_double.refuse_keys(spread, false);
        INSERT INTO citus_double.pg_dist_partition VALUES (spread, 'h', 's', distribution_column);
    END
    $body$;

    CREATE FUNCTION citus_double.create_reference_table(spread regclass) RETURNS void LANGUAGE plpgsql AS $body$
    BEGIN
        PERFORM citus_double.refuse_keys(spread, true);
        INSERT INTO citus_double.pg_dist_partition VALUES (spread, 'n', 't', NULL);
    END
    $body$;
"""


def install(url: str, nodes: int = 2) -> str:
    """Put the double into a database; give an address whose sessions see it."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(_DOUBLE)
        for _ in range(nodes):
            conn.execute("INSERT INTO citus_double.pg_dist_node VALUES (true, true)")
    parts = urlsplit(url)
    search_path = urlencode({"options": "-c search_path=public,citus_double"}, quote_via=quote)
    return parts._replace(query="&".join(filter(None, (parts.query, search_path)))).geturl()


def spread(url: str) -> dict[str, str]:
    """Tell what has been spread: by which column, or that it is a reference table."""
    with psycopg.connect(url, autocommit=True) as conn:
        rows = conn.execute(
            "SELECT logicalrelid::text, coalesce(partkey, 'everywhere') FROM citus_double.pg_dist_partition"
        )
        return dict(rows.fetchall())
