"""`python -m sigtrace` is the `sigtrace` command."""

from sigtrace.cli import main

main()
