"""The command line: translates flags into calls, and answers into text. Decides nothing."""

from __future__ import annotations


def main() -> None:
    """The console script `kura`."""
    from bot.cli.app import run

    run()
