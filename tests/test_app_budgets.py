"""What the app may weigh, and how much of it there may be, so that it stays quick and stays small."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "src/sluiceway/web/static"
FRONTEND = ROOT / "frontend"
ENTRY = "index.html"
KB = 1000

FIRST_ROUTE = 130 * KB
ANY_ROUTE = 230 * KB
STYLES = 20 * KB
RAW = 1_000 * KB
PACKAGES = 8
TYPESCRIPT_LINES = 10_500
CSS_LINES = 1_600

pytestmark = pytest.mark.quality


def manifest() -> dict[str, dict[str, Any]]:
    return json.loads((STATIC / "manifest.json").read_text())


def packed(file: str) -> int:
    """Tell how many bytes of a file go over the wire to whoever takes gzip."""
    return (STATIC / f"{file}.gz").stat().st_size


def scripts(built: dict[str, dict[str, Any]], *names: str) -> set[str]:
    """Name the scripts that have to be there before chunks run."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        chunk = built[waiting.pop()]
        if chunk["file"] not in found:
            found.add(chunk["file"])
            waiting += chunk.get("imports", [])
    return {file for file in found if file.endswith(".js")}


def weights() -> dict[str, int]:
    """Weigh each route, the entry included, in bytes of gzip."""
    built = manifest()
    routes = [name for name in built[ENTRY]["dynamicImports"] if "/screens/" in name]
    return {name: sum(packed(file) for file in scripts(built, ENTRY, name)) for name in routes}


def test_what_is_seen_first_comes_quickly() -> None:
    first = {name: weight for name, weight in weights().items() if name.endswith(("/SignIn.tsx", "/Overview.tsx"))}

    assert len(first) == 2
    assert {name: weight for name, weight in first.items() if weight > FIRST_ROUTE} == {}


def test_no_route_is_heavy() -> None:
    assert {name: weight for name, weight in weights().items() if weight > ANY_ROUTE} == {}


def test_all_styles_together_are_light() -> None:
    sheets = [path.relative_to(STATIC).as_posix() for path in STATIC.glob("assets/*.css")]

    assert sum(packed(sheet) for sheet in sheets) <= STYLES


def test_what_is_built_is_small_and_has_no_source_maps() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file() and path.suffix not in (".gz", ".br")]

    assert [path.name for path in files if path.suffix == ".map"] == []
    assert sum(path.stat().st_size for path in files) <= RAW


def test_few_packages_run_in_the_browser_and_each_at_one_version() -> None:
    package = json.loads((FRONTEND / "package.json").read_text())
    versions = package["dependencies"] | package["devDependencies"]

    assert len(package["dependencies"]) <= PACKAGES
    assert [name for name, version in versions.items() if not version[0].isdigit()] == []


@pytest.mark.parametrize(("kinds", "most"), [(("*.ts", "*.tsx"), TYPESCRIPT_LINES), (("*.css",), CSS_LINES)])
def test_there_is_little_to_read(kinds: tuple[str, ...], most: int) -> None:
    sources = [path for kind in kinds for path in (FRONTEND / "src").rglob(kind) if path.name != "app.d.ts"]

    assert sum(path.read_text().count("\n") for path in sources) <= most


def test_nothing_in_the_page_is_inline_or_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text()

    assert "http://" not in page
    assert "https://" not in page
    assert "style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count(" src=")
