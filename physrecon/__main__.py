"""The program `physrecon`, and `python -m physrecon`."""
# PYTHON_ARGCOMPLETE_OK

import os
import sys
from contextlib import suppress

from physrecon.cancellation import STOPPED, cancel_on_signals


def program() -> int:
    """Run the command line; signals are caught before anything else is imported."""
    with cancel_on_signals(at_end=True):
        from physrecon.cli.main import main

        code = main()
        if code == STOPPED:  # at once: to unload the libraries takes seconds on a busy machine
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
        return code


if __name__ == "__main__":
    sys.exit(program())
