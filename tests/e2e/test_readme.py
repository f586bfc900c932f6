"""The README's story, pasted: every block runs as it is written, against a demo of its own."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import SLUICEWAY, Serving, data_folder, free_port

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def story() -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE))


def test_the_story_of_the_readme_runs_as_it_is_written():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()):
        script = story().replace(".sluiceway/", f"{data_dir}/").replace(".venv/bin/sluiceway", str(SLUICEWAY))

        told = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=os.environ | {"DATA_DIR": str(data_dir)},
        )

        assert told.returncode == 0, told.stdout + told.stderr
        said = told.stdout.lower()
        assert '"status":"executed"' in said
        assert '"balance_in_cents":100000' in said
        assert said.count("idempotent-replayed: true") == 1
        assert "422" in said
        assert '"code":"rule_disabled"' in said
        assert said.count('"execution_id":"exec_') == 3
        assert "all is as it should be." in said
