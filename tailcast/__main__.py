"""`python -m tailcast …`: the same as the `tailcast` command."""

from .main import main

main()
