"""`python -m runner.scripted`: the scripted model as a server of its own."""

import sys

from .model import main

sys.exit(main())
