"""The app is built from frontend/, checked, and part of what is installed."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATIC = "sluiceway/web/static"

pytestmark = pytest.mark.quality


@pytest.mark.timeout(300)
def test_the_frontend_is_well_formed_typed_fresh_and_its_tests_pass():
    done = subprocess.run(
        [sys.executable, ROOT / "frontend/build.py", "npm", "run", "--silent", "check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_names_no_registry():
    lock = (ROOT / "frontend/package-lock.json").read_text()

    assert '"resolved"' not in lock


@pytest.mark.timeout(300)
def test_what_others_build_from_holds_the_built_app_and_needs_no_node(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path]

    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        names = [name.partition("/")[2] for name in packed.getnames()]
    assert f"src/{STATIC}/index.html" in names
    assert not [name for name in names if name.startswith("frontend") or "node_modules" in name]


@pytest.mark.timeout(300)
def test_a_wheel_holds_the_built_app(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path]

    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    page = zipfile.ZipFile(wheel).read(f"{STATIC}/index.html").decode()
    assets = [name for name in names if name.startswith(f"{STATIC}/assets/")]
    loaded = [name.rpartition("/")[2] for name in assets if "/index-" in name and name.endswith((".js", ".css"))]
    assert {name.rpartition(".")[2] for name in loaded} == {"js", "css"}
    assert all(name in page for name in loaded)
    assert all(f"{STATIC}/assets/{name}.{packed}" in assets for name in loaded for packed in ("br", "gz"))
    assert not [name for name in names if "node_modules" in name or name.startswith("frontend")]
