"""Every spelling of an id reads as the same 128 bits, and everything else is malformed."""

from itertools import product
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.domain.ids import (
    ExecutionId,
    IdKind,
    derive_transfer_id,
    format_id,
    from_base32,
    parse_id,
    to_base32,
)

LOWEST = "00000000-0000-0000-0000-000000000000"
HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
# A known pair, worked out by repeated division by 32.
KNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
KNOWN_BASE32 = "01H455VB4PEX5VSKNK084SN02Q"

EXECUTION = ExecutionId("01890a5d-ac96-774b-bcce-b302099a8057")

uuids = st.uuids().map(str)


@pytest.mark.parametrize(
    ("uuid", "base32"),
    [(KNOWN, KNOWN_BASE32), (LOWEST, "0" * 26), (HIGHEST, "7" + "Z" * 25)],
)
def test_base32_is_crockfords(uuid: str, base32: str):
    assert to_base32(uuid) == base32
    assert from_base32(base32) == uuid


@given(uuids)
def test_base32_survives_the_round_trip(uuid: str):
    written = to_base32(uuid)

    assert len(written) == 26
    assert from_base32(written) == from_base32(written.lower()) == uuid


@given(uuids, uuids)
def test_base32_sorts_like_the_ids(one: str, other: str):
    assert (to_base32(one) < to_base32(other)) == (one < other)


@pytest.mark.parametrize("kind", IdKind)
@given(uuid=uuids)
def test_every_spelling_of_an_id_is_the_same_id(kind: IdKind, uuid: str):
    base32 = to_base32(uuid)
    spellings = [uuid, uuid.upper(), format_id(kind, uuid)]
    spellings += [f"{prefix}_{body}" for prefix, body in product(kind.value, (base32, base32.lower()))]

    assert {parse_id(kind, spelling) for spelling in spellings} == {uuid}


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (IdKind.ACCOUNT, "acc"),
        (IdKind.RULE, "rule"),
        (IdKind.RULE, "ru"),
        (IdKind.EXECUTION, "rex"),
        (IdKind.EXECUTION, "exec"),
        (IdKind.TRANSFER, "txr"),
        (IdKind.CARD, "card"),
        (IdKind.KEY, "key"),
        (IdKind.REQUEST, "req"),
        (IdKind.TOKEN, "token"),
        (IdKind.RULE_SECRET, "secret"),
    ],
)
def test_each_kind_has_its_prefixes_and_refuses_those_of_others(kind: IdKind, prefix: str):
    text = f"{prefix}_{KNOWN_BASE32}"

    assert parse_id(kind, text) == KNOWN
    assert [other for other in IdKind if parse_id(other, text) is not None] == [kind]


def test_the_first_prefix_is_the_one_we_write():
    assert format_id(IdKind.RULE, KNOWN) == f"rule_{KNOWN_BASE32}"
    assert format_id(IdKind.EXECUTION, KNOWN) == f"rex_{KNOWN_BASE32}"


@pytest.mark.parametrize("letters", ["O", "o", "I", "i", "L", "l"])
def test_letters_that_look_like_digits_are_read_as_them(letters: str):
    digit = "0" if letters in "Oo" else "1"

    assert from_base32("0" * 25 + letters) == from_base32("0" * 25 + digit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "acc",
        "acc_",
        "acc__" + KNOWN_BASE32[1:],
        "acc_" + KNOWN_BASE32[1:],
        "acc_" + KNOWN_BASE32 + "0",
        "acc_8" + "0" * 25,
        "acc_" + "Z" * 26,
        "acc_" + "U" + KNOWN_BASE32[1:],
        "acc_" + KNOWN_BASE32[:-1] + "-",
        "acc_" + KNOWN_BASE32[:-1] + " ",
        "acc_" + KNOWN_BASE32[:-1] + "\N{ARABIC-INDIC DIGIT ONE}",
        "acc_" + KNOWN,
        "ACC_" + KNOWN_BASE32,
        " acc_" + KNOWN_BASE32,
        "_" + KNOWN_BASE32,
        KNOWN_BASE32,
        KNOWN.replace("-", ""),
        "{" + KNOWN + "}",
        "urn:uuid:" + KNOWN,
        KNOWN + " ",
        KNOWN[:-1],
        KNOWN[:-1] + "g",
        KNOWN[:-1] + "\N{FULLWIDTH DIGIT SEVEN}",
        KNOWN[:-2] + "\n7",
        KNOWN.replace("-", "_"),
        KNOWN[:8] + KNOWN[9:] + "-",
        "-" * 36,
        "0x" + KNOWN[2:],
        "+" + KNOWN[1:],
        "\x00" * 36,
    ],
)
def test_a_malformed_id_is_none(text: str):
    assert parse_id(IdKind.ACCOUNT, text) is None


@given(st.text(max_size=40), st.sampled_from(IdKind))
def test_any_text_is_an_id_or_none(text: str, kind: IdKind):
    found = parse_id(kind, text)

    assert found is None or str(UUID(found)) == found


# ---------------------------------------------------------------------------------------------- ids of rules' transfers


def test_the_id_of_a_rules_transfer_never_changes():
    # Stored in ledgers: another answer would move money twice.
    assert derive_transfer_id(EXECUTION, 0, 0, 0) == "01890a5d-ac96-7000-928a-f0cfb60d4636"
    assert derive_transfer_id(EXECUTION, 0, 0, 0) == derive_transfer_id(EXECUTION, 0, 0, 0)


def test_each_amount_of_each_execution_has_an_id_of_its_own():
    random = Random(0)
    executions = [EXECUTION, *(ExecutionId(str(UUID(int=random.getrandbits(128)))) for _ in range(20))]
    places = list(product(range(12), range(12), range(12)))

    ids = {derive_transfer_id(execution, *place) for execution in executions for place in places}

    assert len(ids) == len(executions) * len(places)


@given(uuids, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_the_id_of_a_rules_transfer_is_a_uuid_7_of_its_executions_time(uuid: str, step: int, action: int, part: int):
    transfer_id = derive_transfer_id(ExecutionId(uuid), step, action, part)

    read = UUID(transfer_id)
    assert str(read) == transfer_id
    assert (read.version, read.variant) == (7, UUID(EXECUTION).variant)
    assert transfer_id[:13] == uuid[:13]
    assert transfer_id != uuid


@pytest.mark.parametrize("kind", IdKind)
def test_a_derived_id_can_be_written_and_read_like_any_other(kind: IdKind):
    transfer_id = derive_transfer_id(EXECUTION, 1, 2, 3)

    assert parse_id(kind, format_id(kind, transfer_id)) == transfer_id
