"""`python -m runner <workspace>`: the process of one run."""

import sys
from pathlib import Path

from .process import main

if len(sys.argv) != 2:
    sys.exit("usage: python -m runner WORKSPACE")
sys.exit(main(Path(sys.argv[1]).absolute()))
