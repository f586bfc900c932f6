"""What is logged: one JSON line each, and no secret in it, wherever it stood."""

import json
import logging
from collections.abc import Generator
from io import StringIO

import pytest
import structlog

from sluiceway.cli.logs import log_to_stderr, mask
from sluiceway.settings import Settings

CANARY = "c4n4ryC4N4RYc4n4ryC4N4RY"


@pytest.fixture
def said() -> Generator[StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    ours = logging.getLogger("sluiceway").level
    stream = StringIO()
    log_to_stderr(Settings(log_format="json"), stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=before, level=level, force=True)
    logging.getLogger("sluiceway").setLevel(ours)


@pytest.mark.parametrize(
    "text",
    [
        f"sk_{CANARY}abc123",
        f"a key sk_{CANARY}, a token at_{CANARY}, a secret rs_{CANARY}, a session ss_{CANARY}_x",
        f"whsec_{CANARY}/+x==",
        f"Authorization: ApiKey {CANARY}",
        f"{{'authorization': 'Bearer {CANARY}'}}",
        f"connection to postgresql://me:{CANARY}@db/x failed",
        f"https://me:{CANARY}@example.com/hook",
        f"password={CANARY} host=db",
        f'{{"password": "{CANARY} with spaces", "email": "a@example.com"}}',
        f"https://example.com/hook?token={CANARY}&x=1",
        f"Cookie: {CANARY}",
    ],
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(text: str):
    for line in ({"reason": text}, {"deep": {"er": [text]}}, {"error": ValueError(text)}, {"event": text}):
        masked = mask(None, "", dict(line))
        assert CANARY not in str(masked)
        assert "****" in str(masked)


@pytest.mark.parametrize("name", ["password", "api_secret", "token", "Authorization", "cookie", "set-cookie"])
def test_what_is_called_a_secret_is_masked_whatever_it_is(name: str):
    assert mask(None, "", {name: CANARY}) == {name: "****"}


def test_what_is_no_secret_stays_as_it_is():
    line = {"event": "overloaded", "refused": 3, "took_s": 0.5, "ok": True, "none": None, "request_id": "req_01abc"}

    assert mask(None, "", dict(line)) == line


def test_each_line_is_json_with_its_time_and_its_level(said: StringIO):
    structlog.get_logger().warning("overloaded", refused=3, request_id="req_1")
    logging.getLogger("some.package").warning("it says %s", "so")
    structlog.get_logger().debug("nobody wants this")
    try:
        int(f"Bearer {CANARY}")
    except ValueError:
        structlog.get_logger().exception("unexpected_error", request_id="req_2\n{\x1b[31m")

    text = said.getvalue()
    first, theirs, failed = map(json.loads, text.splitlines())
    assert (first["event"], first["level"], first["refused"], first["request_id"]) == (
        "overloaded",
        "warning",
        3,
        "req_1",
    )
    assert first["at"].endswith("Z")
    assert (theirs["event"], theirs["logger"]) == ("it says so", "some.package")
    assert failed["request_id"] == "req_2\n{\x1b[31m"
    assert "Traceback" in failed["exception"]
    assert CANARY not in text
    assert "\x1b" not in text
