import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

import pytest
import pytest_asyncio

from sluiceway.outbound import Limits, Outbound, Policy, read_policy
from tests.outbound.servers import (
    AUTHORITIES,
    FINE,
    LOOPBACK,
    Answer,
    Server,
    allowing,
    beside,
    dripping,
    leads_to,
    outcome,
    replying,
    serving,
)
from tests.outbound.vectors import INNER_NAMES, ODD_URLS, ORDINARY_NAMES, odd_hosts

UNREACHED = "it could not be reached"


@pytest_asyncio.fixture
async def canary() -> AsyncGenerator[Server]:
    """Listen where nobody may come; a connection fails the test."""
    async with serving(FINE, LOOPBACK) as server:
        yield server
        assert server.connections == 0, f"somebody came: {server.requests}"


def elsewhere_on(port: int) -> Policy:
    """Allow other addresses on a port, so that neither the port nor the scheme is what keeps anybody out."""
    return read_policy(f"http://203.0.113.0/24:{port}, https://203.0.113.0/24:{port}")


# ------------------------------------------------------------------------------------------------------------ the guard


async def test_no_vector_reaches_a_canary(canary: Server):
    hosts = list(dict.fromkeys([*odd_hosts(), *INNER_NAMES, *ORDINARY_NAMES]))
    urls = [f"{scheme}://{host}:{canary.port}/" for host in hosts for scheme in ("http", "https")]
    outbound = Outbound(elsewhere_on(canary.port), leads_to("127.0.0.1"))

    answers = await asyncio.gather(*(outcome(outbound, url) for url in (*urls, *ODD_URLS)))

    assert len(answers) > 1000
    assert "answered" not in answers


async def test_the_canary_can_be_reached_where_the_operator_allows_it():
    async with serving(FINE, LOOPBACK) as server:
        policy = read_policy(
            f"http://127.0.0.0/8:{server.port}, http://[::1]:{server.port}, http://tax.internal:{server.port}"
        )
        for host, address in [("localhost", "127.0.0.1"), ("a.example", "::1"), ("tax.internal", "127.0.0.2")]:
            outbound = Outbound(policy, leads_to(address), AUTHORITIES)
            assert await outcome(outbound, f"http://{host}:{server.port}/", Limits()) == "answered"

        assert server.connections == 3


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["0.0.0.0"],  # noqa: S104 -- an address to refuse
        ["::"],
        ["::ffff:127.0.0.1"],
        ["127.0.0.1", "203.0.113.7"],
        ["127.0.0.1"] * 512,
        ["localhost"],
        ["127.1"],
        [""],
        [],
    ],
    ids=lambda addresses: ",".join(addresses[:2]),
)
async def test_a_resolver_that_gives_forbidden_addresses_leads_nowhere(canary: Server, addresses: list[str]):
    outbound = Outbound(elsewhere_on(canary.port), leads_to(*addresses), AUTHORITIES)

    assert await outcome(outbound, f"http://tax.example:{canary.port}/") == UNREACHED


@pytest.mark.parametrize("count", [1, 511])
async def test_one_forbidden_address_keeps_us_from_the_allowed_ones_beside_it(count: int):
    async with serving(FINE, ["127.0.0.2"]) as allowed, beside(allowed, "127.0.0.1", FINE) as forbidden:
        policy = read_policy(f"http://127.0.0.2:{allowed.port}")
        outbound = Outbound(policy, leads_to(*["127.0.0.2"] * count, "127.0.0.1"), AUTHORITIES)

        assert await outcome(outbound, f"http://tax.example:{allowed.port}/") == UNREACHED
        assert (allowed.connections, forbidden.connections) == (0, 0)


async def test_the_machines_own_resolver_is_checked_too(canary: Server):
    async with Outbound(elsewhere_on(canary.port)) as outbound:
        assert await outcome(outbound, f"http://localhost:{canary.port}/", Limits(connect_s=0.3)) == UNREACHED


async def test_the_machines_own_resolver_finds_what_is_allowed():
    async with serving(FINE) as server, Outbound(read_policy(f"http://localhost:{server.port}")) as outbound:
        assert await outcome(outbound, f"http://localhost:{server.port}/", Limits()) == "answered"


async def rebind(server: Server, times: int) -> tuple[int, list[str]]:
    """Ask so often of a name that changes its address at every look: allowed, forbidden, allowed, ..."""
    looks = 0

    async def resolve(host: str, port: int) -> Sequence[str]:
        nonlocal looks
        looks += 1
        return ["127.0.0.2" if looks % 2 else "127.0.0.1"]

    outbound = Outbound(read_policy(f"http://127.0.0.2:{server.port}"), resolve)
    limits = Limits(connect_s=0.002, total_s=5)
    reasons = [await outcome(outbound, f"http://tax.example:{server.port}/", limits) for _ in range(times)]
    return looks, reasons


@pytest.mark.parametrize("times", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_a_name_that_changes_its_address_is_looked_up_once_for_each_request(times: int):
    async with (
        serving(FINE, ["127.0.0.2"]) as allowed,
        beside(allowed, "127.0.0.1", FINE) as forbidden,
    ):
        looks, reasons = await rebind(allowed, times)

    assert looks == times
    assert set(reasons) <= {"answered", UNREACHED}
    assert allowed.connections >= reasons.count("answered") > 0
    assert forbidden.connections == 0


async def test_forbidden_unknown_and_dead_look_and_last_the_same():
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    async def endless(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async with serving() as gone:
        port = gone.port
    policy = read_policy(f"http://127.0.0.1:{port}")
    limits = Limits(connect_s=0.15, total_s=5)
    for resolver in (leads_to("10.0.0.1"), leads_to("127.0.0.1"), unknown, endless):
        began = time.monotonic()

        assert (
            await outcome(Outbound(policy, resolver, AUTHORITIES), f"http://tax.example:{port}/", limits) == UNREACHED
        )
        assert 0.14 < time.monotonic() - began < 3


async def test_the_operator_is_told_what_the_caller_is_not(caplog: pytest.LogCaptureFixture):
    outbound = Outbound(Policy(), leads_to("10.1.2.3"))

    reason = await outcome(outbound, "https://tax.example/")

    assert "10.1.2.3" not in reason
    assert "Refused to connect to tax.example:443: 10.1.2.3 (private use) is not allowed" in caplog.messages


async def test_the_other_family_is_tried_where_the_first_leads_nowhere():
    async with serving(FINE) as server:
        policy = read_policy(f"http://127.0.0.1:{server.port}, http://[::1]:{server.port}")
        outbound = Outbound(policy, leads_to("::1", "127.0.0.1", "127.0.0.1"))

        assert await outcome(outbound, f"http://tax.example:{server.port}/", Limits()) == "answered"
        assert server.connections == 1


@pytest.mark.parametrize("addresses", [["127.0.0.1", "::1"], ["::1", "127.0.0.1", "::1"]])
async def test_the_resolvers_first_address_is_tried_first(addresses: list[str]):
    async with serving(FINE) as fourth, beside(fourth, "::1", FINE) as sixth:
        policy = read_policy(f"http://127.0.0.1:{fourth.port}, http://[::1]:{fourth.port}")
        outbound = Outbound(policy, leads_to(*addresses), AUTHORITIES)

        assert await outcome(outbound, f"http://tax.example:{fourth.port}/", Limits()) == "answered"
        assert (fourth.connections, sixth.connections) == ((1, 0) if addresses[0] == "127.0.0.1" else (0, 1))


async def test_a_connection_that_was_led_elsewhere_sends_nothing(monkeypatch: pytest.MonkeyPatch):
    loop = asyncio.get_running_loop()
    connect = loop.create_connection
    async with serving(FINE) as server:

        async def misled(factory: object, host: str, port: int, **options: object) -> object:
            return await connect(factory, "127.0.0.1", server.port, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(loop, "create_connection", misled)
        outbound = Outbound(read_policy(f"http://127.0.0.2:{server.port}"))

        assert await outcome(outbound, f"http://127.0.0.2:{server.port}/", Limits(connect_s=0.3)) == UNREACHED
        assert server.connections == 1
        assert server.requests == []


# --------------------------------------------------------------------------------------------------------- the exchange


async def test_the_request_is_exactly_what_we_mean_to_send():
    async with serving(FINE) as server:
        outbound = Outbound(read_policy(f"http://127.0.0.1:{server.port}"), leads_to("127.0.0.1"))

        await outbound.post(f"http://tax.example:{server.port}/a?b=c", b'{"x":1}', {"Content-Type": "application/json"})

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /a?b=c HTTP/1.1",
        b"Host: tax.example:%d" % server.port,
        b"User-Agent: Sluiceway",
        b"Accept-Encoding: identity",
        b"Connection: close",
        b"Content-Type: application/json",
        b"Content-Length: 7",
    ]
    assert body == b'{"x":1}'


async def test_the_host_header_of_an_ipv6_address_has_its_brackets():
    async with serving(FINE, ["::1"]) as server:
        await Outbound(read_policy(f"http://[::1]:{server.port}")).post(f"http://[::1]:{server.port}/", b"", {})

    assert b"\r\nHost: [::1]:%d\r\n" % server.port in server.requests[0]


async def test_an_answer_is_given_with_its_headers():
    async with serving(replying(418, b"short and stout", b"X-Kind: tea", b"X-Kind: pot")) as server:
        response = await allowing(server).post(f"http://127.0.0.1:{server.port}/", b"", {})

    assert (response.status, response.body) == (418, b"short and stout")
    assert response.headers["x-kind"] == "tea, pot"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(canary: Server, status: int):
    location = b"Location: http://127.0.0.1:%d/" % canary.port
    async with serving(replying(status, b"", location, b"Refresh: 0; url=/", b"Alt-Svc: h2=:443")) as server:
        policy = read_policy(f"http://127.0.0.1:{server.port}, http://127.0.0.1:{canary.port}")
        response = await Outbound(policy).post(f"http://127.0.0.1:{server.port}/", b"", {})

    assert response.status == status
    assert server.connections == 1


async def test_nothing_is_kept_from_one_call_to_the_next():
    async with serving(replying(200, b"", b"Set-Cookie: a=b; Path=/", b"Connection: keep-alive")) as server:
        outbound = allowing(server)
        for _ in range(2):
            await outbound.post(f"http://127.0.0.1:{server.port}/", b"", {})

    assert server.connections == 2
    assert not any(b"cookie" in request.lower() for request in server.requests)


async def test_proxies_of_the_environment_are_not_used(canary: Server, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{canary.port}")
    monkeypatch.setenv("NO_PROXY", "")
    async with serving(FINE) as server:
        assert await outcome(allowing(server), f"http://127.0.0.1:{server.port}/", Limits()) == "answered"


@pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1, 64 * 1024])
async def test_a_body_up_to_the_limit_is_read(size: int):
    async with serving(replying(200, b"x" * size)) as server:
        response = await allowing(server).post(f"http://127.0.0.1:{server.port}/", b"", {})

    assert response.body == b"x" * size


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        replying(200, b"x" * (64 * 1024 + 1)),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (64 * 1024 + 1),
        CHUNKED + b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
        dripping(CHUNKED, b"8000\r\n" + b"x" * 0x8000 + b"\r\n"),
    ],
    ids=["one_byte", "until_closed", "chunked", "announced", "endless"],
)
async def test_a_body_beyond_the_limit_is_not_read(answer: Answer):
    async with serving(answer) as server:
        response = await allowing(server).post(f"http://127.0.0.1:{server.port}/", b"", {})

    assert (response.status, response.body) == (200, None)


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"br", b"deflate", b"zstd", b"identity, gzip", b"x", b""])
async def test_a_compressed_body_is_not_read(encoding: bytes):
    async with serving(replying(200, b"\x1f\x8b bomb", b"Content-Encoding: " + encoding)) as server:
        response = await allowing(server).post(f"http://127.0.0.1:{server.port}/", b"", {})

    assert response.body is None


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"", b"H"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b" "),
        dripping(CHUNKED, b"1\r\n \r\n"),
        dripping(b"", b""),
    ],
    ids=["status_line", "headers", "interim_answers", "body", "chunks", "silence"],
)
async def test_a_slow_drip_ends_with_the_total_time(answer: Answer):
    began = time.monotonic()
    async with serving(answer) as server:
        reason = await outcome(allowing(server), f"http://127.0.0.1:{server.port}/", Limits(total_s=0.15))

    assert reason == "it did not answer in time"
    assert time.monotonic() - began < 3


async def test_a_caller_that_gives_up_leaves_no_connection():
    async with serving(dripping(b"", b"")) as server:
        asking = asyncio.create_task(outcome(allowing(server), f"http://127.0.0.1:{server.port}/", Limits()))
        await server.asked.wait()

        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize("name", ["Host", "cookie", "Content-Length", "Accept-Encoding"])
async def test_callers_do_not_set_the_clients_own_headers(name: str):
    with pytest.raises(AssertionError):
        await Outbound(Policy()).post("https://example.com/", b"", {name: "x"})
