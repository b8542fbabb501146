"""What the operator decides for every run, and how a run process is told of it."""

import json
import os
from dataclasses import dataclass, field

from runlog import Workspace

from .environment import WORKSPACE_MARK

__all__ = ["DEFAULT_PARK_AFTER_S", "OPTION_VARIABLES", "RunOptions", "run_variables"]

_GRACE_VARIABLE = "TAILCAST_GRACE_S"
_SCRIPTED_VARIABLE = "TAILCAST_SCRIPTED_MODEL"
_LIMITS_VARIABLE = "TAILCAST_LIMITS"
_PARK_VARIABLE = "TAILCAST_PARK_AFTER_S"
OPTION_VARIABLES = frozenset(
    {_GRACE_VARIABLE, _SCRIPTED_VARIABLE, _LIMITS_VARIABLE, _PARK_VARIABLE}
)  # ours, not the agent's
_DEFAULT_GRACE_S = 5.0
# The model's own cache of a conversation is cold after five minutes: then all that a parked run costs more than one
# that was kept is the second in which its agent starts.
DEFAULT_PARK_AFTER_S = 300.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the operator decides for every run.

    :param grace_s: how long the processes of a stopped run may take after SIGTERM, before SIGKILL.
    :param scripted_model: every Claude call goes to our stand-in for the model; no key, no network.
    :param pass_env: names of environment variables that agents get beside the usual ones.
    :param park_after_s: how long a run rests before its process ends, until something comes for it; 0: for ever. A
        run may have its own.
    :param limits: of every run, by name (`runlog.run.limits`). A run may have lower ones, and none that is higher.
    """

    grace_s: float = _DEFAULT_GRACE_S
    scripted_model: bool = False
    pass_env: tuple[str, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    park_after_s: float = DEFAULT_PARK_AFTER_S

    @classmethod
    def from_environment(cls) -> "RunOptions":
        """What `start_run_process` handed to this process."""
        return cls(
            grace_s=float(os.environ.get(_GRACE_VARIABLE, _DEFAULT_GRACE_S)),
            scripted_model=os.environ.get(_SCRIPTED_VARIABLE) == "1",
            limits=json.loads(os.environ.get(_LIMITS_VARIABLE, "{}")),
            park_after_s=float(os.environ.get(_PARK_VARIABLE, DEFAULT_PARK_AFTER_S)),
        )


def run_variables(workspace: Workspace, options: RunOptions) -> dict[str, str]:
    """What a run process is told by its environment."""
    variables = {
        WORKSPACE_MARK: str(workspace.path),
        _GRACE_VARIABLE: str(options.grace_s),
        _PARK_VARIABLE: str(options.park_after_s),
    }
    if options.scripted_model:
        variables[_SCRIPTED_VARIABLE] = "1"
    if options.limits:
        variables[_LIMITS_VARIABLE] = json.dumps(options.limits)
    return variables
