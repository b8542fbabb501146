"""What tests share does what it says."""

import subprocess

from tests.support import is_running, wait_until, whole_tree


def test_whole_tree_leaves_nothing_of_a_shell_that_has_gone() -> None:
    with whole_tree("sh", "-c", "sleep 600 & echo $!", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert is_running(child)
    wait_until(lambda: not is_running(child), "the end of the child")
