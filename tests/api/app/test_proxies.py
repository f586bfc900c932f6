"""Whom a request comes from when a proxy brings it: believed from the proxies that are named, and from nobody else."""

from ipaddress import ip_network
from typing import Any

import pytest

from sluiceway.settings import LOOPBACK, read_settings
from sluiceway.web.identify import Visit, read_base_path, read_visit
from sluiceway.web.proxies import Proxies

SOME = Proxies((*LOOPBACK, ip_network("10.1.0.0/16"), ip_network("fd00:5::/64")))
TOLD = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "Money.example",
    "x-forwarded-prefix": "/money",
}


def scope(peer: str | None, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    client = None if peer is None else (peer, 40_000)
    return {"type": "http", "scheme": "http", "client": client, "headers": [(b"host", b"inner:8080"), *named]}


def seen(peer: str | None, **headers: str) -> tuple[Visit, str]:
    found = SOME.seen(scope(peer, **headers))
    return read_visit(found), read_base_path(found, "")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.1.2.3", "fd00:5::9"])
def test_a_proxy_that_is_named_is_believed(peer: str):
    visit, path = seen(peer, **TOLD)

    assert (visit.visitor.address, visit.is_secure, visit.host, path) == (
        "203.0.113.7",
        True,
        "money.example",
        "/money",
    )


@pytest.mark.parametrize(
    "peer", ["10.2.0.1", "203.0.113.9", "fd00:6::9", "::ffff:10.2.0.1", "2001:db8::1", "", "me", None]
)
def test_nobody_else_is(peer: str | None):
    visit, path = seen(peer, **TOLD)

    assert (visit.visitor.address, visit.is_secure, visit.host, path) == (peer or "", False, "inner:8080", "")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        # What a visitor made up stands before what our proxy has seen.
        ("127.0.0.1, 10.1.0.1, 203.0.113.7", "203.0.113.7"),
        # Two proxies of ours, one behind the other.
        ("1.1.1.1, 203.0.113.7, 10.1.0.9", "203.0.113.7"),
        ("203.0.113.7:51234, 10.1.0.9:80", "203.0.113.7"),
        ("[2001:db8::7]:51234", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        # What is no address says nothing, and neither does anything before it.
        ("203.0.113.7, unknown", "10.1.2.3"),
        ("203.0.113.7, unknown, 10.1.0.9", "10.1.0.9"),
        ("", "10.1.2.3"),
        (",", "10.1.2.3"),
        ("<script>\x1b[31m", "10.1.2.3"),
    ],
)
def test_the_visitor_is_the_last_one_who_is_no_proxy_of_ours(said: str, address: str):
    assert seen("10.1.2.3", **{"x-forwarded-for": said})[0].visitor.address == address


def test_headers_that_come_twice_are_one_list():
    asked = scope("127.0.0.1", **{"x-forwarded-for": "1.1.1.1"})
    asked["headers"] += [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"http, https")]

    visit = read_visit(SOME.seen(asked))

    assert (visit.visitor.address, visit.is_secure) == ("203.0.113.7", True)


def test_a_cookie_and_an_origin_are_not_what_a_stranger_says():
    visit, _ = seen("203.0.113.9", **TOLD, origin="https://money.example")

    assert visit.own_origin == "http://inner:8080"


def test_a_request_without_such_headers_is_left_as_it_is():
    asked = scope("127.0.0.1")

    assert SOME.seen(asked) is asked


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        (None, LOOPBACK),
        ("", LOOPBACK),
        ("none", ()),
        ("10.1.2.3", (ip_network("10.1.2.3/32"),)),
        (" 10.0.0.0/8 , fd00:5::/64 ", (ip_network("10.0.0.0/8"), ip_network("fd00:5::/64"))),
    ],
)
def test_the_operator_names_them(text: str | None, networks: tuple[Any, ...]):
    assert read_settings({} if text is None else {"TRUSTED_PROXIES": text}).trusted_proxies == networks


@pytest.mark.parametrize(
    "text", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,", "*", "all", "none, 10.0.0.1"]
)
def test_what_is_no_network_is_refused_by_name(text: str):
    with pytest.raises(ValueError, match="TRUSTED_PROXIES"):
        read_settings({"TRUSTED_PROXIES": text})
