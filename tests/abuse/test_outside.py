"""Every hostile form of a URL, for everything that calls out, saved and sent, where every address is a canary."""

import json
import socket
import struct
from collections import Counter
from ipaddress import ip_address

import pytest

from tests.abuse.forms import forms
from tests.abuse.names import CNAME, A, NameServer, Says
from tests.abuse.wires import arrival, in_a_network_of_its_own

MOST_S = 280


@pytest.mark.timeout(300)
def test_nothing_that_calls_out_is_led_inside(database_url: str):
    """One form in five, and some lies; `python -m tests.abuse` takes all of them, and ten thousand."""
    if "host=" not in database_url and "@/" not in database_url:
        pytest.skip("the database is asked over the network, which this test takes away")
    ran = in_a_network_of_its_own(
        *("tests.abuse.inside", "--one-in", "5", "--rebindings", "150"), timeout_s=MOST_S, DATABASE_URL=database_url
    )
    if ran is None:
        pytest.skip("this machine gives nobody a network of its own")
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout)
    figures = Counter[str](told["figures"])

    assert told["faults"] == []
    assert figures["hits"] == 0
    assert figures["saves"] > 4 * figures["vectors"]
    assert figures["sends"] == 2 * figures["vectors"]
    assert figures["public_visits"] > 0


@pytest.mark.timeout(300)
def test_a_client_that_looks_at_no_address_is_seen(database_url: str):
    words = ("--one-in", "1000", "--rebindings", "30", "--without-guard")
    ran = in_a_network_of_its_own("tests.abuse.inside", *words, timeout_s=MOST_S, DATABASE_URL=database_url)
    if ran is None:
        pytest.skip("this machine gives nobody a network of its own")
    assert ran.returncode == 0, ran.stderr[-3000:]

    assert json.loads(ran.stdout)["figures"]["hits"] > 20


def test_there_are_enough_forms():
    assert len(forms()) >= 400
    assert len({form.url for form in forms()}) == len(forms())


def test_the_canary_reads_where_packets_go():
    link = bytes(12)
    fourth = bytes([0x45]) + bytes(8) + bytes([6]) + bytes(6) + ip_address("10.0.0.7").packed
    sixth = bytes([0x60]) + bytes(5) + bytes([6]) + bytes(1) + bytes(16) + ip_address("fd00::1").packed
    opening = struct.pack(">HHIIBB", 40_000, 5432, 0, 0, 0x50, 0x02) + bytes(6)
    answering = struct.pack(">HHIIBB", 40_000, 5432, 0, 0, 0x50, 0x12) + bytes(6)

    assert arrival(link + b"\x08\x00" + fourth + opening) == ("10.0.0.7", 5432)
    assert arrival(link + b"\x86\xdd" + sixth + opening) == ("fd00::1", 5432)
    assert arrival(link + b"\x08\x00" + fourth + answering) is None


async def test_the_name_server_says_what_it_is_told_to():
    def question(name: str) -> bytes:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", A, 1)

    server = NameServer(
        {
            "turn": lambda look: Says([["10.0.0.1", "10.0.0.2"][look % 2]]),
            "chain": lambda _: Says(["10.0.0.3"], chain=2),
        },
        lambda _: Says([f"10.1.{number // 250}.{number % 250}" for number in range(512)]),
    )
    first, second = [await server.answer(question("turn-1.example"), 512) for _ in range(2)]
    chained = await server.answer(question("chain.example"), 512)
    short, whole = [await server.answer(question("many.example"), most) for most in (512, 65_535)]

    assert first is not None
    assert first.endswith(socket.inet_aton("10.0.0.1"))
    assert second is not None
    assert second.endswith(socket.inet_aton("10.0.0.2"))
    assert chained is not None
    assert chained.count(struct.pack(">HH", CNAME, 1)) == 2
    assert short is not None
    assert (short[2] & 0x02, len(short)) == (0x02, len(question("many.example")))
    assert whole is not None
    assert struct.unpack(">H", whole[6:8]) == (512,)
