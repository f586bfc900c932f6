"""Every operation of every document, asked at its limits and by chance: it keeps to its document, and money adds up.

`make fuzz` asks far more, each time other things; a failure says what was asked, and the seed asks it again.
"""

import os
import random
from typing import Any, Final

import httpx
import pytest
import requests
from schemathesis import Case, GenerationMode

from sluiceway.storage.database import Database
from tests.api.client import digest
from tests.fuzz.documents import DOCUMENTS, at_the_limits, by_chance, labels, operation_of, schema_of
from tests.fuzz.judging import judge
from tests.fuzz.town import Town, open_town
from tests.invariants import violations

EXAMPLES: Final = int(os.environ.get("SLUICEWAY_FUZZ_EXAMPLES", "8"))
SEED: Final = int(os.environ.get("SLUICEWAY_FUZZ_SEED", "0"))
LIMITS: Final = EXAMPLES * 6
"""How many requests at the limits of one operation are enough."""
EVERY: Final = [(name, label) for name in DOCUMENTS for label in labels(name)]
BREATH: Final = 50
"""After so many requests everything is done that is due."""
SOON: Final = 30
"""How many days the clock moves at most: years take minutes, as documented."""
ALLOWED_WITH_LITTLE: Final = {"GET /accounts", "GET /accounts/{id}", "POST /accounts/{id}/refresh"}


def is_short(case: Case) -> bool:
    """Tell whether a request is one that ends soon."""
    days = case.body.get("days") if isinstance(case.body, dict) else None
    return case.path != "/clock/advance" or not isinstance(days, int | float) or days <= SOON


async def ask(town: Town, name: str, case: Case, number: int, holder: str = "everything") -> httpx.Response:
    """Send a request, and judge the answer."""
    sent = case.as_transport_kwargs()
    sent = {key: sent[key] for key in ("method", "url", "headers", "params", "data", "json") if key in sent}
    is_right = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if "json" in sent:
        sent["json"] = written(sent["json"], is_right=is_right)
    headers = dict(sent["headers"])
    if is_right and "Idempotency-Key" in headers:
        # Chance likes short keys so much that most requests would only repeat an earlier one.
        headers["Idempotency-Key"] = f"{headers['Idempotency-Key'][:200]}-{number}"
    request = requests.Request(**sent | {"headers": headers | town.credentials(name, holder)}).prepare()
    answer = await town.api.http.request(
        request.method or "",
        request.url or "",
        headers={header: str(value).encode("latin-1") for header, value in request.headers.items()},
        content=request.body,
    )
    judge(name, case, request, answer)
    return answer


def written(value: Any, *, is_right: bool) -> Any:
    """Write numbers and text as this API wants them, of which schemas know nothing.

    Whole numbers have no point, others six decimals; what is right otherwise has no NUL.
    """
    if isinstance(value, dict):
        return {key: written(item, is_right=is_right) for key, item in value.items()}
    if isinstance(value, list):
        return [written(item, is_right=is_right) for item in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else round(value, 6)
    return value.replace("\0", "0") if isinstance(value, str) and is_right else value


@pytest.mark.parametrize(("name", "label"), EVERY, ids=[f"{name} {label}" for name, label in EVERY])
async def test_an_operation_keeps_to_its_document(database: Database, name: str, label: str) -> None:
    async with open_town(database) as town:
        operation = operation_of(schema_of(name, town.known), label)
        cases = [*by_chance(operation, EXAMPLES, SEED), *at_the_limits(operation, LIMITS)]
        if (name, label) in town.right:
            named, body = town.right[name, label]
            cases.insert(0, operation.Case(path_parameters={"id": named}, body=body))
        done = 0
        for number, case in enumerate(filter(is_short, cases)):
            done += (await ask(town, name, case, number)).is_success
            if number % BREATH == BREATH - 1:
                await town.everything_due()
        await town.everything_due()

        assert done, "nothing was done: the requests do not reach far enough"
        assert await violations(database) == {}


@pytest.mark.parametrize("holder", ["little", "nothing"])
@pytest.mark.parametrize("name", DOCUMENTS)
async def test_who_holds_little_gets_little_and_changes_nothing(database: Database, name: str, holder: str) -> None:
    async with open_town(database) as town:
        schema = schema_of(name, town.known)
        cases = {label: by_chance(operation_of(schema, label), max(EXAMPLES // 5, 1), SEED) for label in labels(name)}
        before = await kept(database)
        statuses: dict[str, set[int]] = {}
        for label, asked in cases.items():
            for number, case in enumerate(asked):
                answer = await ask(town, name, case, number, holder)
                statuses.setdefault(label, set()).add(answer.status_code)

        assert await kept(database) == before
        if holder == "nothing" or name == "remote":
            assert set.union(*statuses.values()) == {401}
        else:
            answered = {label for label, found in statuses.items() if min(found) < 300}
            assert answered <= ALLOWED_WITH_LITTLE
            assert all(403 in found for label, found in statuses.items() if label not in ALLOWED_WITH_LITTLE)


async def kept(database: Database) -> dict[str, Any]:
    """Tell what there is, but not which answers are remembered: refreshing an account that one may read is answered."""
    return {table: rows for table, rows in (await digest(database)).items() if table != "idempotency"}


async def test_whatever_is_asked_in_whatever_order_money_adds_up(database: Database) -> None:
    async with open_town(database) as town:
        asked: list[tuple[str, Case]] = []
        for name in DOCUMENTS:
            schema = schema_of(name, town.known)
            for label in labels(name):
                right = by_chance(operation_of(schema, label), max(EXAMPLES // 3, 1), SEED + 1, is_right=True)
                asked += [(name, case) for case in right]
        random.Random(SEED).shuffle(asked)
        for number, (name, case) in enumerate(asked):
            if is_short(case):
                await ask(town, name, case, number)
            if number % BREATH == BREATH - 1:
                await town.everything_due()
        await town.everything_due()

        assert await violations(database) == {}
