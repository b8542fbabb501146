"""What people have changed of a session that the CLI does not keep: told again when a parked run is taken up."""

from typing import Any

from runlog import InboxLine, read_inbox

from ...attempt.run import Run
from .params import ClaudeParams

__all__ = ["carried"]

_CHANGES = ("set_model", "set_permission_mode")


def carried(run: Run, params: ClaudeParams) -> ClaudeParams:
    """The params as they came to be in this attempt: model, permission mode, and the rules that were taken up."""
    if not run.taken_up:
        return params
    said = {li.id: li for li in read_inbox(run.workspace.inbox) if isinstance(li, InboxLine)}
    now = before = params.model_dump()
    events = run.earlier_events(
        "workflow_started", "system", "message_received", "permission_resolved"
    )
    for event in events:
        kind = event["type"]
        if kind == "workflow_started":
            now = {**before}
        elif kind == "system" and isinstance(event.get("permissionMode"), str):
            now["permission_mode"] = event["permissionMode"]
        elif kind == "message_received" and event.get("message_type") in _CHANGES:
            line = said.get(str(event.get("message_id")))
            if line is not None and event.get("state") == "completed":
                _change(now, line)
        elif kind == "permission_resolved":
            for update in event.get("updated_permissions") or []:
                _update(now, update)
    return params.model_copy(update=now)


def _change(now: dict[str, Any], line: InboxLine) -> None:
    if line.type == "set_model":
        now["model"] = line.body.get("model")
    else:
        now["permission_mode"] = line.body["mode"]


def _update(now: dict[str, Any], update: Any) -> None:
    """One of the SDK's `PermissionUpdate`s, as JSON."""
    if not isinstance(update, dict):
        return
    if update.get("type") == "setMode":
        now["permission_mode"] = update.get("mode")
    elif update.get("type") == "addDirectories":
        now["add_dirs"] = [*now["add_dirs"], *update.get("directories", [])]
    elif update.get("type") == "addRules" and update.get("behavior") in ("allow", "deny"):
        name = "allowed_tools" if update["behavior"] == "allow" else "disallowed_tools"
        now[name] = [*now[name], *map(_rule, update.get("rules", []))]


def _rule(rule: dict[str, Any]) -> str:
    content = rule.get("ruleContent")
    return f"{rule['toolName']}({content})" if content else str(rule["toolName"])
