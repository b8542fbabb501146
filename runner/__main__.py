"""`python -m runner <workspace>`: the process of one run. `--spare-…`: the same, to be told it later."""

import sys
from pathlib import Path

if len(sys.argv) != 2:
    sys.exit("usage: python -m runner WORKSPACE")
if sys.argv[1].startswith("--spare"):
    from .supervise.spare import wait_for_work

    folder = wait_for_work(sys.argv[1])
else:
    folder = Path(sys.argv[1]).absolute()
if folder is not None:
    from .attempt.process import main

    main(folder)
