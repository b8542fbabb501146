"""The environment of an agent: built from an allow-list, never handed down whole."""

from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["WORKSPACE_MARK", "agent_environment", "mark_of"]

# Every process of a run carries it, so the tree is found whatever session or parent its members have.
WORKSPACE_MARK = "TAILCAST_WORKSPACE"

_NAMES = frozenset(
    """
    PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM TMPDIR VIRTUAL_ENV PYTHONPATH
    XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_RUNTIME_DIR
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS
    HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy
    CLAUDE_CONFIG_DIR CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CODE_USE_BEDROCK CLAUDE_CODE_USE_VERTEX
    CLAUDE_CODE_MAX_RETRIES CLAUDE_CODE_MAX_OUTPUT_TOKENS CLAUDE_CODE_TMPDIR API_TIMEOUT_MS
    DISABLE_TELEMETRY DISABLE_ERROR_REPORTING DISABLE_AUTOUPDATER
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC
    """.split()
)
_PREFIXES = ("LC_", "ANTHROPIC_")
# Only for those who turned the provider on: other agents need no cloud keys.
_PROVIDERS = {
    "CLAUDE_CODE_USE_BEDROCK": ("AWS_",),
    "CLAUDE_CODE_USE_VERTEX": ("GOOGLE_", "CLOUD_ML_", "VERTEX_"),
}


def agent_environment(ours: Mapping[str, str], extra_names: Iterable[str] = ()) -> dict[str, str]:
    """What a run process gets of our environment `ours`.

    :param extra_names: names that the operator lets through too (`--pass-env`).
    """
    prefixes = list(_PREFIXES)
    for switch, names in _PROVIDERS.items():
        if ours.get(switch):
            prefixes += names
    allowed = _NAMES | frozenset(extra_names)
    return {k: v for k, v in ours.items() if k in allowed or k.startswith(tuple(prefixes))}


def mark_of(workspace: Path) -> bytes:
    """The entry of `/proc/<pid>/environ` that marks the processes of a run."""
    return f"{WORKSPACE_MARK}={workspace}".encode()
