"""A parser that suggests corrections.

Only argparse is imported here, so that help and usage errors answer at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from physrecon.catalog import COMMANDS, expected, expected_option
from physrecon.errors import ArgumentError


class Parser(argparse.ArgumentParser):
    """Raises ArgumentError instead of leaving the process, and suggests near names.

    later: help texts, made when help is printed because they may need slow imports.  fill: adds the
    options of a command when it is called."""

    def __init__(self, **settings: Any) -> None:
        self.later: dict[argparse.Action, Callable[[], str]] = {}
        self.fill: Callable[[Parser], None] | None = None
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **settings)
        # `--window -0.1:2` is a value, not an option
        self._negative_number_matcher = re.compile(r"^-\.?\d")

    def format_help(self) -> str:
        for action, text in self.later.items():
            action.help = text()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        where = self.prog.removeprefix("physrecon ")
        stray = re.match(r"unrecognized arguments: ([^\s=]+)", message)
        command = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if stray and stray[1].startswith("-"):
            names = (name for action in self._actions for name in action.option_strings)
            options = tuple(name for name in names if name.startswith("--"))
            message = f"{where}: {expected_option(stray[1], options)}"
        elif stray:
            message = f"{where}: expected no further argument, got {stray[1]!r}"
        elif command:
            message = f"{where}: {expected(command[1], COMMANDS)}"
        elif message.startswith("argument "):
            message = f"{where} " + message.removeprefix("argument ")
        else:
            from physrecon.jobs.complaints import MISSING

            given = message.removeprefix("the following arguments are required: ").split(", ")
            message = "\n  ".join(f"{where} {name}: {MISSING}" for name in given)
        raise ArgumentError(f"{message}\n`{self.prog} --help` shows how it is used")

    def add_own_options(self) -> None:
        """Call `fill`, once."""
        fill, self.fill = self.fill, None
        if fill:
            fill(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Report unknown options by their command, which suggests its own, then missing ones: an
        option may be missing because it is spelt wrongly."""
        self.add_own_options()
        required = [action for action in self._actions if action.required]
        try:
            for action in required:
                action.required = False
            parsed, unknown = super().parse_known_args(args, namespace)
        finally:
            for action in required:
                action.required = True
        if unknown:
            first = next((word for word in unknown if word.startswith("-")), unknown[0])
            self.error(f"unrecognized arguments: {first}")
        missing = [action for action in required if not hasattr(parsed, action.dest)]
        if missing:
            names = ("/".join(a.option_strings) or a.metavar or a.dest for a in missing)
            self.error(f"the following arguments are required: {', '.join(map(str, names))}")
        return parsed, unknown
