import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.outbound import Answered, Limits, Response, ask_amount, read_policy
from sluiceway.outbound.amounts import read_answer
from sluiceway.outbound.guard import LONGEST_URL
from tests.outbound.servers import QUESTION, SECRET, allowing, replying, serving

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "remote-amounts.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


async def test_the_server_of_the_page_answers_what_we_ask(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHARED_SECRET", SECRET)
    written: dict[str, object] = {}
    exec(blocks("python")[0], written)  # noqa: S102 -- the page's own example
    answer = written["answer"]
    assert callable(answer)

    async with serving(replying(500)) as server:
        question = replace(QUESTION, url=f"http://127.0.0.1:{server.port}/")
        await ask_amount(allowing(server), question, datetime.now(UTC))
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        server.answer = replying(200, answer(headers, body))
        asked = await ask_amount(allowing(server), question, datetime.now(UTC))

    assert json.loads(body) == json.loads(blocks("json")[0])
    assert asked == Answered(Cents(3703))


def test_the_answer_of_the_page_is_an_amount():
    assert read_answer(Response(200, {}, blocks("json")[1].encode())) == Answered(Cents(3703))


def test_the_setting_of_the_page_can_be_read():
    (setting,) = re.findall(r'^REMOTE_ALLOW="(.*)"$', PAGE, re.MULTILINE)

    policy = read_policy(setting)

    assert (len(policy.names), len(policy.networks)) == (1, 3)


def test_the_figures_of_the_page_are_the_codes():
    limits = Limits()

    for figure in (
        f"from 0 to {MAX_CENTS}",
        f"{limits.body_bytes // 1024} KiB",
        f"Within {limits.total_s:.0f} seconds, of which {limits.connect_s:.0f}",
        f"more than {LONGEST_URL} characters",
    ):
        assert figure in PAGE
