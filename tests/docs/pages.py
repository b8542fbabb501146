"""What a page does, done by node: the modules of FRONTEND_INTEGRATION.md, and a bad network between."""

import json
import subprocess
from pathlib import Path
from typing import Any

from runlog import Workspace
from tests.docs.samples import samples
from tests.support import DEADLINE_S, records

__all__ = ["PAGE", "expected", "play", "write_modules"]

PAGE = "FRONTEND_INTEGRATION.md"
# A proxy that misbehaves as networks do. `plan` says what to do with the n-th stream: "502", "cut:BYTES" or "pass".
FLAKY = """
import http from "node:http";
export function flaky(target, plan) {
  let count = 0;
  const server = http.createServer((asked, answer) => {
    const step = asked.url.includes("/stream") ? plan[count++] ?? "pass" : "pass";
    if (step === "502") { answer.writeHead(502).end("bad gateway"); return; }
    let left = step.startsWith("cut:") ? Number(step.slice(4)) : Infinity;
    const { host } = new URL(target);
    const on = http.request(target + asked.url, { method: asked.method, headers: { ...asked.headers, host } });
    asked.pipe(on);
    on.on("error", () => answer.destroy());
    answer.on("close", () => on.destroy());
    on.on("response", (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.on("data", (chunk) => {
        answer.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) { answer.socket.end(); got.destroy(); }
      });
      got.on("end", () => answer.end());
      got.on("error", () => {});
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
"""


def write_modules(folder: Path) -> None:
    """The page's modules as files. `globalThis.HOST` says where the API is, as a page's own host would."""
    for block in samples(PAGE):
        if block.language == "js":
            code = block.code.replace("${API}", "${globalThis.HOST}/api/v1")
            (folder / block.name.replace(".js", ".mjs")).write_text(code)
    (folder / "flaky.mjs").write_text(FLAKY)


def play(modules: Path, driver: str, **given: Any) -> Any:
    """Run a driver that imports the page's modules; `given` is its global `given`, what it prints is JSON."""
    path = modules / "driver.mjs"
    path.write_text(
        f"const given = globalThis.given = {json.dumps(given)};\n"
        "globalThis.HOST = given.host;\n"
        "const done = (value) => process.stdout.write(JSON.stringify(value), () => process.exit(0));\n"
        + driver
    )
    ran = subprocess.run(["node", str(path)], capture_output=True, text=True, timeout=DEADLINE_S)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def expected(run: Workspace, after: int = 0) -> list[list[Any]]:
    return [[str(r.offset), json.loads(r.line)] for r in records(run) if r.offset > after]
