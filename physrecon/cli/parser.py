"""A parser that suggests corrections.

Only argparse is imported here, so that help and usage errors answer at once."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from physrecon.catalog import COMMANDS, expected, expected_option
from physrecon.errors import ArgumentError

MISSING_ARGUMENTS = "the following arguments are required: "  # as argparse begins it


class Parser(argparse.ArgumentParser):
    """Raises ArgumentError instead of leaving the process, and suggests near names.

    later: help texts, made when help is printed because they may need slow imports.  fill: adds the
    options of a command when it is called."""

    def __init__(self, **settings: Any) -> None:
        self.later: dict[argparse.Action, Callable[[], str]] = {}
        self.fill: Callable[[Parser], None] | None = None
        self._strange: str | None = None  # the first word that is no option of this parser
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
        if message.startswith(MISSING_ARGUMENTS) and self._strange:
            message = f"unrecognized arguments: {self._strange}"
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

            given = message.removeprefix(MISSING_ARGUMENTS).split(", ")
            message = "\n  ".join(f"{where} {name}: {MISSING}" for name in given)
        raise ArgumentError(f"{message}\n`{self.prog} --help` shows how it is used")

    def add_own_options(self) -> None:
        """Call `fill`, once."""
        fill, self.fill = self.fill, None
        if fill:
            fill(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Report unknown options by their command, which suggests its own, before missing ones: an
        option may be missing because it is spelt wrongly."""
        self.add_own_options()
        words = sys.argv[1:] if args is None else [*args]
        self._strange = next(filter(self._is_strange, words), None)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._strange = next((word for word in unknown if word.startswith("-")), unknown[0])
            self.error(f"unrecognized arguments: {self._strange}")
        return parsed, unknown

    def _is_strange(self, word: str) -> bool:
        """Whether a word is an option that this parser lacks."""
        name = word.partition("=")[0]
        return name.startswith("--") and name != "--" and name not in self._option_string_actions
