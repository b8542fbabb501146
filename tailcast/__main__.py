"""`python -m tailcast …`: the same as the `tailcast` command."""

from .cli import main

main()
