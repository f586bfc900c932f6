"""Sixty malformed replies of a remote service, with seven statuses each: never a transfer."""

from sluiceway.storage.database import Database
from tests.abuse.replies import ask_all
from tests.outbound.test_amounts import MALFORMED, STATUSES
from tests.support import new_world, plain_engine
from tests.taxes import make_taxed


async def test_no_malformed_reply_ever_moves_money(database: Database):
    figures, faults = await ask_all(await make_taxed(await new_world(plain_engine(database))))

    assert faults == []
    assert figures["replies"] >= len(MALFORMED) * len(STATUSES) >= 60 * 7
    assert figures["transfers"] == 0
