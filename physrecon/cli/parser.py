"""Words of the command line as values: a parser that guesses what was meant, types of options.

Only argparse is imported here, so that help and usage errors answer at once."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from physrecon.catalog import COMMANDS, expected
from physrecon.errors import ArgumentError


class Parser(argparse.ArgumentParser):
    """Raises ArgumentError instead of leaving the process, and guesses what was meant.

    later: texts of help that ask classes, whose import takes too long for every command."""

    def __init__(self, **settings: Any) -> None:
        self.later: dict[argparse.Action, Callable[[], str]] = {}
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
            message = f"{where}: {expected(stray[1], options)}"
        elif stray:
            message = f"{where}: expected no further argument, got {stray[1]!r}"
        elif command:
            message = f"{where}: {expected(command[1], COMMANDS)}"
        elif message.startswith("argument "):
            message = f"{where} " + message.removeprefix("argument ")
        else:
            missing = message.replace("the following arguments are required:", "expected")
            message = f"{where}: {missing}, got none"
        raise ArgumentError(f"{message}\n`{self.prog} --help` shows how it is used")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Unknown options are reported by the command they were given to: it knows its own."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def one_of(names: Iterable[str] | Callable[[], Iterable[str]]) -> Callable[[str], str]:
    def check(value: str) -> str:
        known = tuple(names() if callable(names) else names)
        if value not in known:
            raise argparse.ArgumentTypeError(expected(value, known))
        return value

    return check


def checked(parse: Callable[[str], Any], keep: bool = False) -> Callable[[str], Any]:
    """An argparse type from a function that raises ArgumentError; `keep` the text as it was."""

    def check(value: str) -> Any:
        try:
            parsed = parse(value)
        except ArgumentError as problem:
            # the option's name stands before it already
            raise argparse.ArgumentTypeError(str(problem).partition(": ")[2]) from None
        return value if keep else parsed

    return check


def number(kind: Callable[[str], Any], what: str, least: float) -> Callable[[str], Any]:
    def check(value: str) -> Any:
        try:
            number = kind(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            raise argparse.ArgumentTypeError(f"expected {what}, got {value!r}")
        return number

    return check


count = number(int, "a whole number >= 1", 1)
natural = number(int, "a whole number >= 0", 0)


column = number(float, "a column such as 296.0", -math.inf)


def center(value: str) -> float | str:
    if value == "auto":
        return value
    return number(float, "a column such as 296.0, or auto", -math.inf)(value)


def level(value: str) -> float | str:
    if value == "auto":
        return value
    return number(float, "a grey value >= 0, or auto", 0)(value)


def fraction(value: str) -> float:
    what = "a number between 0 and 1, such as 1e-3"
    part = number(float, what, 0)(value)
    if not 0 < part < 1:
        raise argparse.ArgumentTypeError(f"expected {what}, got {value!r}")
    return part


def lengths(value: str) -> tuple[float, ...]:
    """`0.3,0.1,0.1`, or one length for all axes."""
    try:
        lengths = tuple(float(part) for part in value.split(","))
    except ValueError:
        lengths = ()
    if not 1 <= len(lengths) <= 3 or not all(math.isfinite(n) and n > 0 for n in lengths):
        raise argparse.ArgumentTypeError(
            f"expected lengths > 0 along z,y,x such as 0.3,0.1,0.1, got {value!r}"
        )
    return lengths


def psf_center(value: str) -> tuple[int, ...] | str:
    if value in ("peak", "mass"):
        return value
    if not re.fullmatch(r"\d+(,\d+){0,2}", value):
        raise argparse.ArgumentTypeError(
            f"expected an index along z,y,x such as 8,15,15, or peak, or mass, got {value!r}"
        )
    return tuple(int(part) for part in value.split(","))


def weight(value: str) -> float | str:
    if value == "auto":
        return value
    weight = number(float, "a number > 0, or auto", 0)(value)
    if not weight:
        raise argparse.ArgumentTypeError(f"expected a number > 0, or auto, got {value!r}")
    return weight


def setting(text: str) -> dict[str, Any]:
    """`solver.step=0.9` as {"solver": {"step": 0.9}}."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"expected key=value, got {text!r}")
    try:
        setting: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        setting = value.strip()  # a bare word is a string
    for name in reversed(key.strip().split(".")):
        setting = {name: setting}
    return setting


def shape(value: str) -> tuple[int, ...]:
    shape = tuple(count(n) for n in value.split(","))
    if len(shape) != 3:
        raise argparse.ArgumentTypeError(f"expected z,y,x such as 64,256,256, got {value!r}")
    return shape


def window(value: str) -> tuple[float, float]:
    low, _, high = value.partition(":")
    try:
        window = float(low), float(high)
    except ValueError:
        window = (1.0, 0.0)
    if not window[0] < window[1]:
        raise argparse.ArgumentTypeError(f"expected lo:hi with lo < hi, got {value!r}")
    return window
