"""What `doctor` looks at of Claude: the SDK, its CLI, whether there are credentials, the scripted model."""

import json
import os
import re
import subprocess
import tempfile
import urllib.request
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..terminal.text import one_line
from .check import Check

__all__ = ["check_claude", "check_credentials", "check_model", "check_sdk"]

_CLI_S = 60.0
_MODEL_S = 20.0
_VARIABLES = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX",
)  # fmt: skip
_INSTALL = "pip install claude-agent-sdk"


def check_sdk(_: Path) -> Check:
    try:
        return Check("agent sdk", "ok", f"claude-agent-sdk {version('claude-agent-sdk')}")
    except PackageNotFoundError:
        return Check("agent sdk", "fail", "claude-agent-sdk is not installed", _INSTALL)


def check_claude(_: Path) -> Check:
    from runner.attempt.workflow import RunFailed
    from runner.workflows.claude.params import ClaudeParams, find_cli

    try:
        cli = find_cli(ClaudeParams())
    except (RunFailed, ImportError) as error:
        return Check("claude cli", "fail", str(error), _INSTALL)
    try:
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [cli, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CLI_S,
                env={"PATH": os.environ.get("PATH", ""), "HOME": home, "CLAUDE_CONFIG_DIR": home},
            )
    except subprocess.TimeoutExpired:
        found = f"{cli} did not answer within {_CLI_S:g} s"
        return Check("claude cli", "fail", found, "Look at the load of this machine; try again")
    except OSError as error:
        mend = "It needs glibc and its own architecture; install Claude Code and put it on the PATH"
        return Check("claude cli", "fail", f"{cli} can't be run: {error.strerror}", mend)
    said = one_line(done.stdout.decode(errors="replace"))
    if done.returncode != 0 or not re.match(r"\d", said):
        tail = one_line(done.stderr.decode(errors="replace")[-300:])
        return Check("claude cli", "fail", f"{cli} ends with {done.returncode}: {tail}", _INSTALL)
    where = "comes with the SDK" if "_bundled" in cli.parts else f"at {cli}"
    return Check("claude cli", "ok", f"{said}, {where}")


def check_credentials(_: Path) -> Check:
    """Only whether there are any; no value is read."""
    found = [name for name in _VARIABLES if os.environ.get(name)]
    config = os.environ.get("CLAUDE_CONFIG_DIR")
    folder = Path(config) if config else Path.home() / ".claude"
    if (folder / ".credentials.json").exists():
        found.append("a logged-in Claude")
    if found:
        return Check("credentials", "ok", ", ".join(found))
    return Check(
        "credentials",
        "warn",
        "none: only --scripted-model works",
        "Set ANTHROPIC_API_KEY, or log in with `claude`",
    )


def check_model(_: Path) -> Check:
    from runner.scripted.model import scripted_model

    asked = {
        "model": "claude",
        "max_tokens": 16,
        "messages": [{"role": "user", "content": "hello"}],
    }
    with scripted_model() as base_url:
        request = urllib.request.Request(
            f"{base_url}/v1/messages",
            json.dumps(asked).encode(),
            {"content-type": "application/json", "x-api-key": "scripted"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_MODEL_S) as answer:
            said = json.load(answer)["content"][0]["text"]
    if "hello" not in said:
        return Check("scripted", "fail", f"the scripted model said {one_line(said)!r}")
    return Check("scripted", "ok", "the scripted model answers on 127.0.0.1")
