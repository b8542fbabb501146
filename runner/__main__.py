"""`python -m runner <workspace>`: the process of one run. `--fork-server`: one that forks such processes."""

import sys
from pathlib import Path

if len(sys.argv) != 2:
    sys.exit("usage: python -m runner WORKSPACE")
if sys.argv[1] == "--fork-server":
    from .supervise.fork_server import serve_forks

    folder = serve_forks()
else:
    folder = Path(sys.argv[1]).absolute()
if folder is not None:
    from .attempt.process import main

    main(folder)
