"""`output_schema` on the real CLI: its tool, our check, the result as JSON; from the command line too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import House
from tests.support import DEADLINE_S, script, wait_for_end

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def output(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"name": "StructuredOutput", "input": fields}]}


def test_the_result_is_json_that_fits(house: House) -> None:
    def end(*steps: dict[str, Any]) -> dict[str, Any]:
        run = house.start("claude", prompt=script(*steps), output_schema=SCHEMA)
        return dict(wait_for_end(run))

    # The CLI has the model mend what does not fit.
    good = end(output(n="x"), output(n=42), {"text": "done"})
    assert (good["type"], good["result"]) == ("workflow_completed", {"n": 42})
    never = end({"text": "no"})
    assert (never["type"], never["reason"]) == ("workflow_failed", "bad_output")
    wrong = end(*[output(n="x")] * 8)
    assert (wrong["type"], wrong["reason"]) == ("workflow_failed", "bad_output")
    assert "must be integer" in wrong["error"]


def test_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"

    def cli(*words: str, schema: Any = SCHEMA, code: int = 0) -> str:
        file.write_text(json.dumps(schema))
        argv = [sys.executable, "-m", "tailcast", "--root", str(tmp_path / "root"), "run", *words]
        argv += ["--wait", "--output-schema", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    claude = ["claude", script(output(n=7), {"text": "done"}), "--scripted-model"]
    assert json.loads(cli(*claude)) == {"n": 7}
    told = json.loads(cli(*claude, "--json"))
    assert told["state"]["result"] == {"n": 7}
    assert "at /type" in cli(*claude, schema={"type": "objekt"}, code=2)
    assert "no JSON object" in cli(*claude, schema=[], code=2)
    assert "by a schema" in cli("command", "-p", 'argv=["true"]', code=2)
