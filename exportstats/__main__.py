"""Run the command with `python -m exportstats`."""

from exportstats.cli import main

main(prog_name="exportstats")
