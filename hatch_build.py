"""Puts the built web page into the wheel; for an editable install, into relay/ui/dist.

TAILCAST_UI=skip leaves it out: the relay then serves the API alone.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        """What the build needs from PyPI: a Node, where this machine has none that will do."""
        page = _page(self.root)
        return [] if _is_skipped() or page.find_node() else [page.NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if _is_skipped():
            return
        page = _page(self.root)
        self.app.display_info("Building the web page …")
        try:
            page.build()
        except page.PageError as error:
            if version != "editable":
                sys.exit(f"The web page: {error}\nOr set TAILCAST_UI=skip to leave it out.")
            self.app.display_warning(
                f"The web page is not built: {error}\nThe API works without it; `make ui` builds it."
            )
            return
        if version != "editable":
            build_data["force_include"][str(page.DIST)] = "relay/ui/dist"


def _is_skipped() -> bool:
    return os.environ.get("TAILCAST_UI") == "skip"


def _page(root: str) -> ModuleType:
    """relay/ui/build.py, which is no module of the package: only what it builds is installed."""
    path = Path(root) / "relay" / "ui" / "build.py"
    spec = importlib.util.spec_from_file_location("tailcast_page_build", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module
