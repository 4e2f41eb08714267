"""The program `physrecon`, and `python -m physrecon`."""

import sys

from physrecon.cancellation import cancel_on_signals


def program() -> int:
    """Run the command line; signals are caught before anything else is imported."""
    with cancel_on_signals(at_end=True):
        from physrecon.cli.main import main

        return main()


if __name__ == "__main__":
    sys.exit(program())
