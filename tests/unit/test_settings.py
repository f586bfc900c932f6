"""What a deployment may choose: secrets also from files, a missing one is no absent one, and none of it is shown."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from sluiceway.settings import SECRETS, Settings, masked, read_settings, shown

CANARY = "canary-7c1f"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_read_from_a_file_as_well(name: str, tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(f"  postgresql://me:{CANARY}@db/x\n")

    from_file, given = read_settings({f"{name}_FILE": str(file)}), read_settings({name: file.read_text().strip()})

    # Where the keys are is remembered: the file is read again when it changes.
    assert from_file.secret_key_file == (file if name == "SECRET_KEY" else None)
    assert replace(from_file, secret_key_file=None) == given


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_was_announced_and_is_not_there_is_refused_and_not_repeated(name: str, tmp_path: Path):
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.write_text("\n")
    broken.write_bytes(b"\xff\xfe")
    for file, says in ((tmp_path / "nowhere", "cannot be read"), (empty, "is empty"), (broken, "cannot be read")):
        with pytest.raises(ValueError, match=f"{name}_FILE") as refused:
            read_settings({f"{name}_FILE": str(file)})
        assert says in str(refused.value)
    with pytest.raises(ValueError, match="both set") as twice:
        read_settings({name: CANARY, f"{name}_FILE": str(empty)})
    assert CANARY not in str(twice.value)


@pytest.mark.parametrize(
    ("url", "without"),
    [
        (f"postgresql://me:{CANARY}@db.example:5432/x", "postgresql://me:****@db.example:5432/x"),
        (f"postgresql://me:{CANARY}@@db/x", "postgresql://me:****@db/x"),
        ("postgresql://me@db/x?sslmode=verify-full", "postgresql://me@db/x?sslmode=verify-full"),
        ("postgresql:///x?host=/run/pg", "postgresql:///x?host=/run/pg"),
        (f"postgresql:///x?password={CANARY}&sslpassword={CANARY}", "postgresql:///x?password=****&sslpassword=****"),
        (f"postgresql://me:{CANARY}@[::1/x", "postgresql://me:****@[::1/x"),
        (f"postgresql://me:{CANARY}/@db/x?application_name=a@b", "postgresql://me:****@b"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(url: str, without: str):
    assert masked(url) == without
    assert CANARY not in masked(url)


def test_everything_that_may_be_chosen_is_shown_and_no_secret():
    chosen = Settings(database_url=f"postgresql://me:{CANARY}@db/x")

    told = shown(chosen)
    # One field, three variables.
    names = {field.name.upper() for field in fields(Settings)} - {"RETENTION"}

    assert told.keys() == names | {"ANSWERS_KEPT_HOURS", "SIMULATIONS_KEPT_DAYS", "READS_KEPT_DAYS"}
    assert CANARY not in str(told)


def test_a_second_factor_is_required_where_that_is_said_and_what_is_misspelt_does_not_mean_off():
    assert read_settings({"REQUIRE_SECOND_FACTOR": "1"}).require_second_factor
    assert not any(read_settings(given).require_second_factor for given in ({}, {"REQUIRE_SECOND_FACTOR": "off"}))
    with pytest.raises(ValueError, match="REQUIRE_SECOND_FACTOR must be one of 1, off, not 'yes'"):
        read_settings({"REQUIRE_SECOND_FACTOR": "yes"})


@pytest.mark.parametrize(
    ("given", "traces"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "money"}, None),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "True"}, None),
    ],
)
def test_spans_are_made_where_somebody_asks_for_them(given: dict[str, str], traces: str | None):
    assert read_settings(given).otel_traces_exporter == traces


def test_an_exporter_that_is_not_offered_is_refused():
    with pytest.raises(ValueError, match="OTEL_TRACES_EXPORTER must be one of otlp, console, none"):
        read_settings({"OTEL_TRACES_EXPORTER": "zipkin"})
