"""The environment in which a run's agent finds Claude: the user's own, or the scripted model's.

With the scripted model the CLI gets a home, a configuration and temporary folders inside the workspace, so it
neither sees the user's Claude nor leaves anything outside. One thing escapes: where the path
`_tmp/cc-socks/<pid>.sock` would be longer than 103 bytes, the CLI keeps that socket in `/tmp/cc-socks-<uid>`, and
leaves the empty folder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from runlog import Workspace

from ...attempt.options import OPTION_VARIABLES, RunOptions

__all__ = ["claude_environment", "process_as_claude"]

# What keeps the CLI from calling anyone but the model, and from retrying for minutes what is scripted to fail.
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_MAX_RETRIES": "2",
}
# A proxy would be asked for the way to 127.0.0.1.
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@contextmanager
def process_as_claude(workspace: Workspace) -> Iterator[dict[str, str]]:
    """While the block runs, the agent's environment is that of this process: the SDK hands the whole of it on."""
    before = dict(os.environ)
    with claude_environment(workspace) as environment:
        os.environ.clear()
        os.environ.update(environment)
        try:
            yield environment
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def claude_environment(workspace: Workspace) -> Iterator[dict[str, str]]:
    """The environment for the agent; while the block runs, the scripted model (if asked for) answers."""
    environment = {k: v for k, v in os.environ.items() if k not in OPTION_VARIABLES}
    if not RunOptions.from_environment().scripted_model:
        yield environment
        return
    from ...scripted.model import scripted_model  # a server: imported where it serves

    environment = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("ANTHROPIC_", "CLAUDE_", "AWS_", "GOOGLE_"))
        and name.lower() not in _PROXIES
    }
    home = workspace.path / "_home"
    temporary = workspace.path / "_tmp"
    for folder in (home, home / ".claude", temporary):
        folder.mkdir(mode=0o700, exist_ok=True)
    with scripted_model() as base_url:
        yield (
            environment
            | _QUIET
            | {
                "HOME": str(home),
                "CLAUDE_CONFIG_DIR": str(home / ".claude"),
                "TMPDIR": str(temporary),
                "CLAUDE_CODE_TMPDIR": str(temporary),
                "ANTHROPIC_BASE_URL": base_url,
                "ANTHROPIC_API_KEY": "scripted",
            }
        )
