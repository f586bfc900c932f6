"""A busy database: everything that the schema has tables for has happened in it, and it has been sealed."""

from typing import Final, LiteralString

from sluiceway.services.verifying import look
from sluiceway.storage.database import Database
from tests.services.past import lived_in
from tests.services.town import Town, asked
from tests.support import plain_engine

# What needs a browser, a receiver or a service outside is written down as those leave it.
_REST: Final[tuple[LiteralString, ...]] = (
    """INSERT INTO webhook_endpoint (organization_id, id, url, events, secret, created_at, due_at)
       SELECT organization_id, gen_random_uuid(), 'https://example.com/' || n, '{*}', 'whsec_x', created_at, 'infinity'
       FROM person, generate_series(1, 2) AS n""",
    """INSERT INTO webhook_delivery (organization_id, id, endpoint_id, event_id, kind, body, status, attempts,
                                     created_at, attempted_at, error)
       SELECT o.organization_id, o.id, w.id, o.id, o.kind, '{"id": "' || o.id || '"}',
              CASE WHEN o.id::text < w.id::text THEN 'DELIVERED' ELSE 'FAILED' END, 1, o.created_at, o.created_at,
              CASE WHEN o.id::text < w.id::text THEN NULL ELSE 'it answered 500' END
       FROM outbox o
       JOIN (SELECT DISTINCT ON (organization_id) * FROM webhook_endpoint) w ON w.organization_id = o.organization_id
       ORDER BY o.id LIMIT 30""",
    """INSERT INTO remote_amount
       SELECT organization_id, id, 0, 0, 1234, NULL, created_at FROM execution ORDER BY id LIMIT 6""",
    """INSERT INTO external_transaction
       SELECT organization_id, id, 'b' || n, gen_random_uuid(), -100 * n, 'Coffee', created_at, created_at
       FROM account, generate_series(1, 3) AS n WHERE kind = 'EXTERNAL_ACCOUNT'""",
    """INSERT INTO api_key (organization_id, id, name, secret_hash, grants, created_at)
       SELECT organization_id, gen_random_uuid(), 'k' || n, sha256(n::text::bytea), '{"MANUAL_TRANSFER": {"max": 100}}',
              created_at
       FROM person, generate_series(1, 3) AS n""",
    """INSERT INTO access_token (organization_id, id, name, secret_hash, created_at)
       SELECT organization_id, gen_random_uuid(), 't' || n, sha256(('t' || n)::bytea), created_at
       FROM person, generate_series(1, 2) AS n""",
    """INSERT INTO rule_secret (organization_id, id, rule_id, secret_hash, created_at)
       SELECT organization_id, gen_random_uuid(), id, sha256(id::text::bytea), created_at FROM rule""",
    """INSERT INTO totp (organization_id, person_id, secret, created_at, confirmed_at)
       SELECT organization_id, id, 'JBSWY3DPEHPK3PXP', created_at, created_at FROM person""",
    """INSERT INTO recovery_code (organization_id, person_id, code_hash)
       SELECT organization_id, id, sha256(('c' || n)::bytea) FROM person, generate_series(1, 4) AS n""",
    """INSERT INTO passkey (organization_id, id, person_id, credential_id, public_key, sign_count, transports, name,
                            created_at)
       SELECT organization_id, gen_random_uuid(), id, sha256(n::text::bytea), '\\x01020304', n, '{usb}', 'key ' || n,
              created_at
       FROM person, generate_series(1, 2) AS n""",
    """INSERT INTO invitation (organization_id, id, email, role, token_hash, invited_by, created_at, expires_at)
       SELECT organization_id, gen_random_uuid(), n || '@example.com', 'VIEWER', sha256(('i' || n)::bytea), id,
              created_at, created_at + interval '1 day'
       FROM person, generate_series(1, 2) AS n""",
    """INSERT INTO ach_limit
       SELECT organization_id, side, period, 100000000, 1000 FROM person,
              unnest('{CREDIT,DEBIT}'::text[]) AS side, unnest('{DAY,MONTH}'::text[]) AS period""",
    """INSERT INTO restoration
       SELECT organization_id, 2, gen_random_uuid(), created_at, created_at, true, created_at, 'Ada' FROM person""",
    """UPDATE organization SET restored_at = r.restored_at FROM restoration r WHERE r.organization_id = id""",
    """INSERT INTO restored_origin SELECT organization_id, id FROM execution ORDER BY id LIMIT 3""",
    """INSERT INTO account_target
       SELECT organization_id, id, 100000, NULL, '2026-07-01', 0 FROM account WHERE kind = 'POD'""",
    """INSERT INTO rule_test (organization_id, id, rule_id, name, example, created_at)
       SELECT organization_id, gen_random_uuid(), id, 'test', '{}', created_at FROM rule""",
)


async def busy(database: Database) -> Town:
    """Live in a town for a while, then seal all of it."""
    town = await lived_in(plain_engine(database))
    for number in range(12):
        await town.trigger("auto_save", 400 + number, key=f"k{number}")
        await town.settle()
    await town.transfer("income", "savings", 900, key="manual")
    await town.transfer("income", "emergency", 950, key="another")
    await town.deposit("income", 5_000, key="more")
    await town.let_go(await asked(town, "internal"))
    await asked(town, "internal", 15_000)
    await town.settle()
    async with database.lend() as tx:
        await tx.conn.execute("RESET ROLE")
        for statement in _REST:
            await tx.conn.execute(statement)
        await tx.conn.execute("SET ROLE sluiceway_app")
    found = await look(town.engine, town.organization_id, is_full=True, is_everything=True)
    assert not found.broken, found.broken
    return town
