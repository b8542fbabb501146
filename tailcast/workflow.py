"""For workflows of your own: all that a class needs of Tailcast. See docs/class-of-your-own.md.

from tailcast.workflow import Run, RunFailed, Workflow
"""

from runlog import InboxLine
from runner.attempt.run import Inbox, Run
from runner.attempt.signals import signal
from runner.attempt.workflow import Ahead, EnvName, Plain, RunFailed, RunStopped, Workflow

__all__ = [
    "Ahead",
    "EnvName",
    "Inbox",
    "InboxLine",
    "Plain",
    "Run",
    "RunFailed",
    "RunStopped",
    "Workflow",
    "signal",
]
