"""Found at crash points: an organization that costs the audit much kept its turn from all the others.

A worker rests after each look, the longer the more it has cost, and remembers nobody's turn meanwhile. Who was due was
listed in no order: so whoever stood first in the table and was due again after the rest was looked at again, and who
came after it never was.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from sluiceway.services import verifying
from sluiceway.services.organizations import create_organization
from sluiceway.services.verifying import QUIET_EVERY, organizations_to_verify, verify
from sluiceway.storage.database import Database
from tests.support import plain_engine


async def test_whoever_has_waited_longest_for_a_look_is_next(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verifying, "LONGEST_REST_S", 0.0)
    engine = replace(plain_engine(database), audit_share=0.5)
    all_of_them = {await create_organization(engine, f"Number {n}", is_sandbox=True) for n in range(3)}
    looked_at: list[str] = []

    for turn in range(1, 7):
        at = engine.now() + turn * (QUIET_EVERY + timedelta(seconds=1))
        then = replace(engine, now=lambda at=at: at)
        due = await organizations_to_verify(then)
        assert set(due) == all_of_them
        looked_at.append(due[0])
        await verify(then, due[0])

    assert set(looked_at[:3]) == all_of_them
    assert looked_at[3:] == looked_at[:3]
