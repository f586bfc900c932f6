"""What is another organization's, what is unknown and what is malformed: nobody can tell them apart by an answer."""

import asyncio
from typing import Any

import httpx
import pytest

from sluiceway.domain.ids import IdKind, to_base32
from tests.api.client import digest
from tests.api.matrix.bodies import Body, platform_rule, v1_rule
from tests.api.matrix.calls import Combination, Prepared, answered, prepare, send
from tests.api.matrix.holdings import ALL, ALL_LISTED, ALONE, ALONE_LISTED, Credential, Holding
from tests.api.matrix.keys import secret_of
from tests.api.matrix.oracle import Row, Sent, Which, Words
from tests.api.matrix.rows_platform import WORDS as PLATFORM
from tests.api.matrix.rows_v1 import WORDS as V1
from tests.api.matrix.spelling import SPELLINGS, Spelling, malformed, plain, prefixed
from tests.api.matrix.stage import KINDS, Stage
from tests.api.matrix.tables import SERVED

WITH_IDS = [(words, row) for words, row in SERVED if row.thing is not None]
NAMES = [f"{words.name}: {row.name}" for words, row in WITH_IDS]
NOT_OURS = (
    (Which.FOREIGN, Which.UNKNOWN, Which.MALFORMED),
    # With its key listing them, and a malformed id cannot be listed.
    (Which.FOREIGN_LISTED, Which.UNKNOWN_LISTED),
)


def whole(call: Prepared, answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """Give an answer with every header and byte, but for the id that it repeats."""
    spelled = (call.spelled or "").encode()
    return answer.status_code, answer.headers.multi_items(), answer.content.replace(spelled, b"?" * len(spelled))


def holders(row: Row) -> list[Holding]:
    """Give wide and narrow keys that hold what opens an operation."""
    found = [ALL, ALL_LISTED, *(ALONE[each] for each in row.opened_by)]
    return found + [ALONE_LISTED[each] for each in row.opened_by if each in ALONE_LISTED]


@pytest.mark.parametrize(("words", "row"), WITH_IDS, ids=NAMES)
async def test_what_is_not_ours_is_as_if_it_were_not_there(stage: Stage, words: Words, row: Row) -> None:
    for holding in holders(row):
        await secret_of(stage, holding)
    before = await digest(stage.engine.database)

    for holding in holders(row):
        for spelling in SPELLINGS:
            for alike in NOT_OURS:
                answers = {}
                for which in alike:
                    one = Combination(words, row, holding, Credential.VALID, which, Sent.GOOD)
                    call = await prepare(stage, one, spelling)
                    answers[which] = whole(call, await send(stage, call))
                first = answers[alike[0]]
                assert all(answer == first for answer in answers.values()), f"{one}: {answers}"
    assert await digest(stage.engine.database) == before


LOOKS_LIKE_ONE = ("*", "nonsense", "00000000-0000-0000-0000-000000000000", "acc_", "rule_*", "%00", "'")


@pytest.mark.parametrize(("words", "row"), WITH_IDS, ids=NAMES)
async def test_what_only_looks_like_an_id_is_nobodys(stage: Stage, words: Words, row: Row) -> None:
    ours = stage.id_of(row.thing or "", Which.LISTED)
    for holding in (ALL, ALL_LISTED):
        await secret_of(stage, holding)
    other_kinds = (f"{kind.value[0]}_{to_base32(ours)}" for kind in IdKind if kind is not KINDS[row.thing or ""])
    before = await digest(stage.engine.database)

    async def ask(spelled: str, holding: Holding) -> None:
        one = Combination(words, row, holding, Credential.VALID, Which.UNKNOWN, Sent.GOOD)
        call = await prepare(stage, one, lambda _, __: spelled)
        assert answered(await send(stage, call)) == one.expected, f"{one}, spelled {spelled}"

    spoiled = (*LOOKS_LIKE_ONE, *other_kinds, ours.replace("-", ""), f"{{{ours}}}", f"{ours}+")
    await asyncio.gather(*(ask(spelled, holding) for spelled in spoiled for holding in (ALL, ALL_LISTED)))
    assert await digest(stage.engine.database) == before


@pytest.mark.parametrize("key", ["the trigger", "the condition", "source", "destination"])
@pytest.mark.parametrize("words", [V1, PLATFORM], ids=["v1", "platform"])
async def test_a_rule_cannot_tell_whose_account_it_names(stage: Stage, words: Words, key: str) -> None:
    headers = {"Authorization": f"{words.scheme} {await secret_of(stage, ALL)}", "X-Request-ID": "matrix"}
    draft = stage.id_of("draft", Which.LISTED)
    ways = [("POST", "/rules"), ("PUT" if words is V1 else "PATCH", f"/rules/{draft}")]
    before = await digest(stage.engine.database)

    for method, path in ways:
        for spelling in (plain, prefixed):
            answers = set()
            for which in (Which.FOREIGN, Which.UNKNOWN, Which.MALFORMED):
                spelled = spelled_account(stage, which, spelling)
                body = naming(stage, words, key, spelled)
                answer = await stage.api.http.request(method, words.prefix + path, headers=headers, json=body)
                assert answer.status_code == words.invalid.status
                # It is told by its canonical spelling where it has one.
                told = answer.text.replace(stage.id_of("account", which), "?").replace(spelled, "?")
                answers.add((answer.status_code, told))
            assert len(answers) == 1, answers
    assert await digest(stage.engine.database) == before


def spelled_account(stage: Stage, which: Which, spelling: Spelling) -> str:
    """Write the id of an account that is not ours."""
    spelled = spelling(IdKind.ACCOUNT, stage.id_of("account", which))
    return malformed(spelled) if which is Which.MALFORMED else spelled


def naming(stage: Stage, words: Words, key: str, account: str) -> Body:
    """Write a rule that names an account at one place."""
    ours = (stage.id_of("account", Which.LISTED), stage.pod)
    rule: Any = v1_rule(*ours) if words is V1 else platform_rule(*ours)
    action = rule["steps"][0]["actions"][0]
    match key:
        case "the trigger":
            rule["trigger"]["account_id" if words is V1 else "accountId"] = account
        case "the condition":
            leaf = {"fact": "BALANCE", "operator": "EQUALS", "value": 1, "params": {"account_id": account}}
            leaf |= {} if words is V1 else {"valueFact": None}
            rule["steps"][0]["conditions"] = {"condition": leaf}
        case _:
            action[key]["id"] = account
    return rule
