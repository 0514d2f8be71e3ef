"""`python -m exportstats` is the command."""

from exportstats.cli import main

main(prog_name="exportstats")
