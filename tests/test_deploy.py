"""What deploy/ promises is in its files. None of them is run here: there is no container runtime and no systemd."""

import json
import re
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluiceway.cli.failures import NOT_SET_UP
from sluiceway.services.measuring import GAUGES
from sluiceway.services.tally import COUNTERS, DISTRIBUTIONS, NOW
from sluiceway.settings import FILE, Settings, shown
from sluiceway.storage.durability import UNSAFE

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
DASHBOARD = json.loads((DEPLOY / "grafana" / "sluiceway.json").read_text())
KNOWN = {
    "sluiceway_info",
    *(f"sluiceway_{name}_total" for name in COUNTERS),
    *(f"sluiceway_{name}_{part}" for name in DISTRIBUTIONS for part in ("bucket", "count", "sum")),
    *(f"sluiceway_{name}" for name in (*NOW, *GAUGES)),
}


class Lines(dict[str, Any]):
    """Keep every value of a name that is there several times, as units have."""

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, list) and isinstance(self.get(name), list):
            self[name].extend(value)
        else:
            super().__setitem__(name, value)


def read_unit(path: Path) -> RawConfigParser:
    unit = RawConfigParser(strict=False, dict_type=Lines, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    return unit


def test_there_are_a_server_a_worker_and_postgresql():
    assert SERVICES.keys() == {"server", "worker", "postgres"}
    assert SERVICES["worker"]["command"] == ["worker"]
    assert SERVICES["server"]["command"] == ["serve", "--no-worker"]


@pytest.mark.parametrize("name", ["server", "worker", "postgres"])
def test_a_service_may_do_no_more_than_it_has_to(name: str):
    service = SERVICES[name]
    user, _ = service["user"].split(":")

    assert int(user) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert service["healthcheck"]["test"][0] == "CMD"
    assert all("noexec" in mount for mount in service["tmpfs"])


def test_who_needs_another_waits_until_it_is_healthy():
    for name in ("server", "worker"):
        waits = SERVICES[name]["depends_on"]
        assert waits["postgres"] == {"condition": "service_healthy"}
        assert all(each["condition"] == "service_healthy" for each in waits.values())
    # Were the server healthy only with a worker, each would wait for the other.
    assert "healthz" in str(SERVICES["server"]["healthcheck"])


def test_secrets_are_files_and_nothing_is_open_to_the_network():
    for name, service in SERVICES.items():
        for variable in service["environment"]:
            assert not re.search(r"(PASSWORD|TOKEN|DATABASE_URL)$", variable), f"{name} has {variable} in the open"
        assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert SERVICES["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_postgresql_is_started_as_one_that_we_start_on():
    command = SERVICES["postgres"]["command"]

    assert {f"{name}=on" for name, (wrong, _) in UNSAFE.items() if wrong == "off"} <= set(command)
    assert "--data-checksums" in SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]


def test_every_variable_of_ours_is_one_that_is_read():
    known = shown(Settings()).keys()

    for name in ("server", "worker"):
        assert {variable.removesuffix(FILE) for variable in SERVICES[name]["environment"]} <= known
    for path in UNITS:
        words = " ".join(read_unit(path)["Service"]["Environment"].split("\n")).split()
        assert {word.partition("=")[0].removesuffix(FILE) for word in words} <= known


def test_nobody_gets_in_with_a_password_alone():
    assert SERVICES["server"]["environment"]["REQUIRE_SECOND_FACTOR"] == "1"
    assert "REQUIRE_SECOND_FACTOR=1" in read_unit(UNITS[0])["Service"]["Environment"]


def test_the_image_is_run_by_nobody_and_knows_whether_it_lives():
    said = (DEPLOY / "Containerfile").read_text()
    last = said[said.rindex("\nFROM ") :]

    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "healthz" in last
    assert 'ENTRYPOINT ["sluiceway"]' in last
    assert not re.search(r"(TOKEN|PASSWORD|DATABASE_URL)=", said)
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", said, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_may_do_no_more_than_it_has_to(path: Path):
    service = read_unit(path)["Service"]

    for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert service[name] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    assert service["UMask"] == "0077"
    assert service["SystemCallFilter"].split("\n")[0] == "@system-service"
    assert service["LoadCredential"].startswith("database_url:")
    # Starting again does not help there.
    assert service["RestartPreventExitStatus"] == str(NOT_SET_UP)
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) >= 60


def test_the_units_are_a_server_and_a_worker():
    assert [path.stem for path in UNITS] == ["sluiceway-server", "sluiceway-worker"]
    assert "serve --no-worker" in read_unit(UNITS[0])["Service"]["ExecStart"]
    assert read_unit(UNITS[1])["Service"]["ExecStart"].endswith("sluiceway worker")


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_every_query_of_the_dashboard_names_a_figure_that_exists():
    named = [set(re.findall(r"sluiceway_\w+", query)) for query in queries()]

    assert all(named)
    assert set().union(*named) <= KNOWN


def test_the_dashboard_sums_what_processes_count_and_not_what_the_database_says():
    for query in queries():
        for name in re.findall(r"sluiceway_(\w+)", query):
            if name in GAUGES:
                assert query.startswith("max("), query


def test_the_dashboard_shows_every_figure():
    shown_names = " ".join(queries())

    assert [
        name for catalogue in (COUNTERS, DISTRIBUTIONS, NOW, GAUGES) for name in catalogue if name not in shown_names
    ] == []


def test_every_figure_that_an_alert_names_exists():
    page = (ROOT / "docs" / "howto" / "operate.md").read_text()

    alerts = page[page.index("## Alerts") :]
    assert set(re.findall(r"sluiceway_\w+", alerts)) <= KNOWN


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/howto/operate.md", "docs/howto/run-in-production.md"])
def test_every_link_leads_somewhere(page: str):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}, target
