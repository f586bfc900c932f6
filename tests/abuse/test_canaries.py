"""Canaries in every input of a process that says all that it can, and a look at whatever it says and keeps."""

import json
from pathlib import Path

import pytest

from tests.abuse.canaries import Aviary, Kind, injected, look_at_backup, look_at_tables
from tests.abuse.lines import Line, written
from tests.abuse.listening import look_around, search_files, sow, talkative

SEED = 20_260_301
MARK = "INJECTED"
MOST_WORDS = 4

pytestmark = [pytest.mark.timeout(300)]


async def test_no_canary_is_where_it_may_not_be(database_url: str, test_folder: Path, tmp_path: Path):
    aviary = Aviary(SEED)
    async with talkative(database_url, aviary) as (stage, heard, metrics):
        asked = await stage.operations()
        watcher = await sow(stage, heard, aviary, asked)
        seen = await look_around(stage, heard, metrics, aviary)
        said = stage.serving.output
        # That they arrive where they may be, and are found there: or none of it would say anything.
        assert seen["messages"] > 0
        assert {"TEXT", "PATH"} <= {kind for kinds in seen["kept"].values() for kind in kinds}
        planted = Aviary(SEED)
        planted.sown = [each for each in aviary.sown if each.kind is Kind.PATH]
        planted.sown = [type(each)(each.word, each.place, Kind.NOTHING) for each in planted.sown]
        await look_at_tables(stage, planted)
        backed_up = await look_at_backup(stage, aviary, tmp_path / "backup")
        # What was kept was found there too; or the look would say nothing.
        assert {"TEXT", "PATH", "NUMBER"} <= {kind for kinds in backed_up.values() for kind in kinds}
        planted_there = Aviary(SEED)
        planted_there.sown = list(planted.sown)
        (tmp_path / "backup").unlink()
        await look_at_backup(stage, planted_there, tmp_path / "backup")
    for log in (test_folder / "server").rglob("*.log"):
        aviary.expect_none(f"PostgreSQL's {log.name}", log.read_bytes())

    assert aviary.faults == []
    assert planted.faults
    assert planted_there.faults
    assert watcher.looks > 100
    assert len(aviary.sown) > 1000
    assert all(json.loads(line) for line in logged(said))


def logged(said: str) -> list[str]:
    """Take what is logged, without what a process says to whoever starts it."""
    lines = said.splitlines()
    begun = [line for line in lines if not line.startswith("{")]
    assert len(begun) <= MOST_WORDS, begun
    return [line for line in lines if line.startswith("{")]


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_nothing_that_is_sent_begins_a_line_of_the_log(database_url: str, log_format: str):
    aviary = Aviary(SEED)
    async with talkative(database_url, aviary, log_format) as (stage, _, _):
        async with Line(stage.port) as line:
            for operation in (await stage.operations())[::4]:
                if operation.path == "/app/events":
                    continue
                for text in injected(MARK).values():
                    quoted = "".join(f"%{byte:02x}" for byte in text.encode())
                    odd = text.encode("utf-8").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
                    header = bytes(byte for byte in odd if byte >= 0x20 and byte != 0x7F)
                    body = json.dumps({"email": text, "password": text, "nickname": text, "name": text}).encode()
                    target = operation.target.rpartition("/")[0]
                    headers = {**operation.headers, "content-type": "application/json"}
                    headers |= {
                        "x-forwarded-for": "127.0.0.1, \x9b31m" + MARK,
                        "user-agent": header,
                        "x-called-reason": header,
                    }
                    for path in (operation.target, f"{target}/{quoted}?{quoted}={quoted}"):
                        await line.ask(written(operation.method, path, headers, body))
        said = stage.serving.output

    lines = said.splitlines()
    assert not [text for text in lines if text.lstrip().startswith((MARK, '{"event": "' + MARK))]
    assert not {"\x1b", "\x9b", "\x07", "\u202e", "\u2028"} & set(said)
    if log_format == "json":
        assert MARK not in {json.loads(text)["event"] for text in logged(said)}


def test_a_file_that_holds_what_is_kept_nowhere_is_found(tmp_path: Path):
    aviary = Aviary(SEED)
    (tmp_path / "wal").write_bytes(b"\0" + aviary.word("a password", Kind.SHOWN).encode() + b"\0")
    (tmp_path / "names").write_bytes(aviary.word("a name", Kind.TEXT).encode())

    search_files(tmp_path, aviary)

    assert aviary.faults == ["wal holds SHOWN of a password"]
