"""What the figures were measured on."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["describe"]

_PACKAGES = ("tailcast", "uvicorn", "uvloop", "httptools", "starlette", "fastapi", "watchfiles")
_RIVALS = ("aiofiles", "sse-starlette")


def describe() -> dict[str, str]:
    """Facts in words, in the order in which to show them."""
    facts = {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }
    facts |= {name: _version(name) for name in (*_PACKAGES, *_RIVALS)}
    facts["nginx"] = _nginx()
    return facts


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _nginx() -> str:
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        return "absent"
    said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stderr
    return said.rpartition("/")[2].strip() or "unknown"
