"""What the tables of odd bodies and heads found, each asked of a real server."""

import asyncio
import json

import httpx
import pytest

from sluiceway.api.http import parse
from sluiceway.cli.limits import LONGEST_HEAD, Limits
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.edge import Edge
from sluiceway.services.keys import create_key, every_grant
from sluiceway.storage.database import Database
from tests.api.client import assert_refused, open_api
from tests.api.test_slow_clients import serving
from tests.support import first_story, plain_engine


@pytest.mark.parametrize("exponent", ["9" * 19, "-" + "9" * 19, "9" * 90, "-" + "9" * 90])
def test_an_exponent_of_more_digits_than_any_number_has_is_refused_and_no_fault_of_ours(exponent: str):
    """No decimal has such an exponent, and that was told as a broken promise: 500."""
    with pytest.raises(InvalidParameters) as refused:
        parse(f'{{"a": 1e{exponent}}}'.encode())

    assert "holds a number that is too large" in str(refused.value.problems)


@pytest.mark.parametrize("encoding", ["gzip, chunked", "identity, chunked"])
async def test_chunks_of_something_encoded_are_not_taken_for_plain_ones(database: Database, encoding: str):
    """The server takes off the chunks alone, so that what was said to be compressed was read as if it were not."""
    world = await first_story(plain_engine(database))
    async with open_api(world, Edge(world.engine)) as api:
        answer = await api.post_raw("/accounts/pods", b'{"nickname": "x"}', Transfer_Encoding=encoding)

    assert_refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("excess", [-2000, 2000])
async def test_a_head_is_as_long_as_it_is_however_it_arrives(database: Database, pieces: int, excess: int):
    """A head that was too long was let through where its end came together with the last of it."""
    head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"x" * (LONGEST_HEAD + excess) + b"\r\n\r\n"
    async with serving(database, Limits()) as address:
        reader, writer = await asyncio.open_connection(*address)
        size = -(-len(head) // pieces)
        for at in range(0, len(head), size):
            writer.write(head[at : at + size])
            await asyncio.sleep(0.02)
        answer = await reader.readuntil(b"\r\n\r\n")
        body = json.loads(await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r")[0])))
        writer.close()

    if excess < 0:
        assert body == {"status": "ok"}
    else:
        assert answer.startswith(b"HTTP/1.1 400")
        assert body["error"]["message"] == "The head of the request is too long."


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"transfer-encoding: xchunked\r\n\r\n", id="an encoding that is none"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\nZZ\r\n", id="a chunk without a length"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\n2\r\n{}xx\r\n", id="a chunk longer than it says"),
    ],
)
async def test_what_is_refused_for_its_body_is_not_done_all_the_same(database: Database, rest: bytes):
    """Where an operation takes no body, a request whose body was none was answered 400, and carried out."""
    world = await first_story(plain_engine(database))
    _, secret = await create_key(world.engine, world.organization_id, "all", every_grant(), rate_limit=None)
    async with serving(database, Limits()) as address:
        target = f"/api/v1/rules/{format_id(IdKind.RULE, world.rules['auto_save'].id)}"
        reader, writer = await asyncio.open_connection(*address)
        writer.write(f"DELETE {target} HTTP/1.1\r\nhost: x\r\nauthorization: ApiKey {secret}\r\n".encode() + rest)
        refused = await reader.read()
        writer.close()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{address[1]}") as http:
            await asyncio.sleep(0.2)
            shown = await http.get(target, headers={"Authorization": f"ApiKey {secret}"})

    assert refused.startswith(b"HTTP/1.1 400")
    assert refused.count(b"HTTP/1.1") == 1
    assert shown.status_code == 200
