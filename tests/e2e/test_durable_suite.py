"""The conformance suite of Durable Streams for servers: what a read side of JSON objects can pass of it.

The other tests write other types than JSON, or JSON that is no object, fork, expire or close streams. In CI alone:
the suite is installed from npm.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import spawned

INSTALL_S = 600
PACKAGES = ("@durable-streams/server-conformance-tests@0.3.6", "vitest@4")
SUITE = """
import { runConformanceTests } from "@durable-streams/server-conformance-tests";
runConformanceTests({ baseUrl: process.env.RELAY_URL, longPollTimeoutMs: 40000 });
"""
PASSED = {
    "Browser Security Headers": [
        "should include X-Content-Type-Options: nosniff on GET responses",
        "should include X-Content-Type-Options: nosniff on HEAD responses",
        "should include X-Content-Type-Options: nosniff on SSE responses",
        "should include X-Content-Type-Options: nosniff on long-poll responses",
        "should include Cross-Origin-Resource-Policy header on GET responses",
        "should include Cache-Control: no-store on HEAD responses",
        "should include security headers on error responses",
    ],
    "HEAD Metadata": ["should return 404 for non-existent stream"],
    "Offset Validation and Resumability": [
        "should return correct tail offset for offset=now",
        "should return empty JSON array for offset=now on JSON streams",
        "should support offset=now with SSE mode",
        "should return 404 for offset=now on non-existent stream",
        "should return 404 for offset=now with long-poll on non-existent stream",
        "should return 404 for offset=now with SSE on non-existent stream",
        "should support offset=now with SSE on empty stream",
        "should reject malformed offset (contains comma)",
        "should reject offset with spaces",
    ],
    "Protocol Edge Cases": [
        "should reject empty offset parameter",
        "should reject multiple offset parameters",
    ],
    "Long-Poll Edge Cases": [
        "should require offset parameter for long-poll",
        "should return Stream-Cursor, Stream-Up-To-Date and Stream-Next-Offset on 204 timeout",
    ],
    "Caching and ETag": [
        "should generate ETag on GET responses",
        "should return 304 Not Modified for matching If-None-Match",
    ],
    "SSE Mode": [
        "should return text/event-stream content-type for SSE requests",
        "should accept live=sse query parameter for application/json",
        "should require offset parameter for SSE mode",
        "JSON SSE catch-up pairs every data event with a control event",
        "should send control events with offset",
        "should wrap JSON data in arrays for SSE and produce valid JSON",
        "should handle SSE for empty stream with correct offset",
        "should send upToDate flag in SSE control events when caught up",
        "should handle JSON payloads with embedded newlines safely",
        "should generate unique, monotonically increasing offsets in SSE mode",
        "should NOT include Stream-SSE-Data-Encoding header for application/json streams",
    ],
    "JSON Mode": [
        "should wrap single JSON value in array",
        "should concatenate multiple appends into single array",
        "should preserve JSON structure and nesting",
        "should work with client json() iterator",
    ],
}

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CI"), reason="the suite is installed in CI alone"),
    pytest.mark.timeout(2 * INSTALL_S),
]


def test_what_a_read_side_can_pass(tmp_path: Path) -> None:
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), *PACKAGES]
    done = subprocess.run(install, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, done.stderr
    (tmp_path / "suite.test.mjs").write_text(SUITE)
    names = [f"{group} {name}" for group, listed in PASSED.items() for name in listed]
    pattern = "|".join(PASSED)
    root = tmp_path / "root"
    root.mkdir()
    argv = [sys.executable, "-m", "tests.relay.durable_mount", "--root", str(root)]
    with spawned(*argv, stdout=subprocess.PIPE) as mount:
        assert mount.stdout is not None
        url = mount.stdout.readline().decode().rpartition(" ")[2].strip()
        told = tmp_path / "told.json"
        vitest = ["npx", "vitest", "run", "suite.test.mjs", "-t", pattern, "--reporter=json"]
        subprocess.run(
            [*vitest, f"--outputFile={told}"],
            cwd=tmp_path,
            env=os.environ | {"RELAY_URL": url},
            capture_output=True,
            timeout=INSTALL_S,
        )
    results = json.loads(told.read_text())["testResults"][0]["assertionResults"]
    passed = {one["fullName"] for one in results if one["status"] == "passed"}
    assert set(names) <= passed, set(names) - passed
