"""Whatever zone the machine stands in, schedules fire at the same instants: their tests, told again under four."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.quality

INSTANTS = "tests/services/test_schedules.py::test_a_schedule_runs_at_its_instants"
TOLD = (
    "tests/unit/test_schedule.py",
    f"{INSTANTS}[daily_over_a_gap_of_half_an_hour]",
    f"{INSTANTS}[daily_over_an_overlap_runs_the_first_time]",
    f"{INSTANTS}[monthly_clamps_to_the_end_of_the_month]",
    f"{INSTANTS}[weekly]",
)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_the_machines_zone_does_not_matter(zone: str, server_url: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"TZ": zone, "PGTZ": zone, "TEST_DATABASE_URL": server_url}

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TOLD],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    if ran.returncode:
        pytest.fail(f"under {zone}:\n{ran.stdout}{ran.stderr}", pytrace=False)
    assert " passed" in ran.stdout
