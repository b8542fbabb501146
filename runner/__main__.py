"""`python -m runner <workspace>`: the process of one run. `--fork-server`: one that forks such processes."""

import sys
from pathlib import Path

if len(sys.argv) != 2:
    sys.exit("usage: python -m runner WORKSPACE")
if sys.argv[1] == "--fork-server":
    from .supervise.fork_server import serve_forks

    if work := serve_forks():
        work()
else:
    from .attempt.process import main

    main(Path(sys.argv[1]).absolute())
