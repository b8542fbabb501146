"""What `ps` shows of a run process."""

import os

__all__ = ["show_in_ps"]


def show_in_ps(run_id: str) -> None:
    """Show this process as `tailcast RUN_ID`, as far as its own command line has room for it."""
    # By default it writes over the environment too, in which others look for the mark of the run.
    os.environ["SPT_NOENV"] = "1"
    try:
        import setproctitle

        setproctitle.setproctitle(f"tailcast {run_id}")
    finally:
        del os.environ["SPT_NOENV"]
